/** How much room the browser gives, in megabytes, and whether it promises not to clear it by itself. */
const MEGABYTE = 1_000_000;

export async function space(): Promise<{ used: number; quota: number; isPersistent: boolean }> {
  const { usage = 0, quota = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  const isPersistent = (await navigator.storage?.persisted?.()) ?? false;
  return { used: usage / MEGABYTE, quota: quota / MEGABYTE, isPersistent };
}
