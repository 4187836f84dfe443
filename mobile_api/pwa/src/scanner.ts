/**
 * Reading codes: by the browser's own detector where it can read QR codes, else by ZXing as WebAssembly of
 * ours, loaded when it is first needed. The browser is asked what it can, never what it is called.
 */
export type Read = (picture: ImageData | HTMLVideoElement) => Promise<string | null>;

interface Detector {
  detect(source: CanvasImageSource): Promise<{ rawValue: string }[]>;
}

interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

export async function reader(): Promise<Read> {
  const native = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  const formats = native ? await native.getSupportedFormats().catch(() => []) : [];
  if (native && formats.includes("qr_code")) {
    const detector = new native({ formats });
    return async (picture) => (await detector.detect(picture as HTMLVideoElement))[0]?.rawValue ?? null;
  }
  const [{ prepareZXingModule, readBarcodes }, { default: wasm }] = await Promise.all([
    import("zxing-wasm/reader"),
    import("zxing-wasm/reader/zxing_reader.wasm?url"),
  ]);
  await prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true });
  return async (picture) => {
    const data = picture instanceof ImageData ? picture : frame(picture);
    return (await readBarcodes(data, { tryHarder: true, maxNumberOfSymbols: 1 }))[0]?.text ?? null;
  };
}

const LONGEST = 960;

function frame(video: HTMLVideoElement): ImageData {
  const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  pen.drawImage(video, 0, 0, canvas.width, canvas.height);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}
