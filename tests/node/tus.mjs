// Upload a file with tus-js-client as it is. One job as JSON on standard input, what became of it on standard output.
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { json } from "node:stream/consumers";
import * as tus from "tus-js-client";

const job = await json(process.stdin);
const requests = [];

function run(upload, finish) {
  upload.options.onSuccess = () => finish({ url: upload.url });
  upload.options.onError = (error) =>
    finish({ error: error.message, status: error.originalResponse?.getStatus() ?? 0 });
  upload.start();
}

// A file whose length is told last has to come as a stream that knows no file: the client takes the rest for
// the length of a last part otherwise. It has no fingerprint, so another run cannot go on with it.
const isStream = job.options.uploadLengthDeferred ?? false;
const file = createReadStream(job.file);

const upload = new tus.Upload(isStream ? file.pipe(new PassThrough()) : file, {
  endpoint: job.endpoint,
  headers: job.headers,
  metadata: job.metadata,
  retryDelays: [0, 20, 100, 500],
  urlStorage: new tus.FileUrlStorage(job.storage),
  onBeforeRequest: (request) => {
    requests.push([request.getMethod(), request.getHeader("Upload-Offset") ?? null]);
  },
  ...job.options,
});

const outcome = await new Promise((resolve) => {
  if (job.stopAfter !== undefined) {
    upload.options.onChunkComplete = async (_, sent) => {
      if (sent >= job.stopAfter) {
        await upload.abort(job.terminate ?? false);
        resolve({ url: upload.url });
      }
    };
  }
  (isStream ? Promise.resolve([]) : upload.findPreviousUploads()).then((previous) => {
    if (previous.length > 0) upload.resumeFromPreviousUpload(previous[0]);
    run(upload, resolve);
  });
});
process.stdout.write(JSON.stringify({ ...outcome, requests }));
process.exit(0);
