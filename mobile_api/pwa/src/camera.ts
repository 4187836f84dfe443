/** Pictures as they are sent: bounded, compressed once, and what the hash is taken of. */
const LONGEST = 1_600;
const QUALITY = 0.8;
const THUMBNAIL = 168;
const POSITION_MS = 3_000;

export interface Picture {
  bytes: ArrayBuffer;
  mime: string;
  thumbnail: ArrayBuffer | null;
}

/** Return a photo with at most 1,600 px a side as JPEG, or the file as it is where the step asks for that. */
export async function prepared(file: File, isOriginal: boolean): Promise<Picture> {
  const image = await createImageBitmap(file).catch(() => null);
  if (image === null && !isOriginal) throw new Error(file.type || file.name);
  const thumbnail = image ? await drawn(image, THUMBNAIL) : null;
  const bytes = isOriginal ? await file.arrayBuffer() : await drawn(image!, LONGEST);
  image?.close();
  return { bytes, mime: isOriginal ? file.type || "image/jpeg" : "image/jpeg", thumbnail };
}

async function drawn(image: ImageBitmap, longest: number): Promise<ArrayBuffer> {
  const scale = Math.min(1, longest / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return blobOf(canvas, "image/jpeg");
}

export async function blobOf(canvas: HTMLCanvasElement, mime: string): Promise<ArrayBuffer> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, mime, QUALITY));
  if (!blob) throw new Error("canvas");
  return blob.arrayBuffer();
}

/** Where the phone stands, as far as it is allowed to say and knows soon enough. */
export async function whereNow(): Promise<{ latitude: number; longitude: number; accuracy_m: number } | null> {
  const allowed = await navigator.permissions?.query({ name: "geolocation" }).catch(() => null);
  if (allowed?.state !== "granted") return null;
  return new Promise((resolve) =>
    navigator.geolocation.getCurrentPosition(
      ({ coords: { latitude, longitude, accuracy } }) => resolve({ latitude, longitude, accuracy_m: accuracy }),
      () => resolve(null),
      { maximumAge: 60_000, timeout: POSITION_MS },
    ),
  );
}
