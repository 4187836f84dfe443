// What did not change stays the same object, so that nothing which shows it is drawn again.

type Parts = Record<string, unknown>

/** `fresh`, but each part of it that equals the one of `old` is that one. Things in lists go by their ids. */
export function kept<T>(old: unknown, fresh: T): T {
  if (!isThing(old) || !isThing(fresh) || Array.isArray(old) !== Array.isArray(fresh)) return fresh
  const isSame = Array.isArray(fresh) ? keepItems(old as unknown[], fresh) : keepParts(old as Parts, fresh as Parts)
  return isSame ? (old as T) : fresh
}

/** Put what is kept into `fresh`; whether that is all of it. */
function keepParts(old: Parts, fresh: Parts): boolean {
  let isSame = Object.keys(old).length === Object.keys(fresh).length
  for (const name in fresh) {
    if (isThing(fresh[name])) fresh[name] = kept(old[name], fresh[name])
    if (fresh[name] !== old[name]) isSame = false
  }
  return isSame
}

function keepItems(old: unknown[], fresh: unknown[]): boolean {
  let isSame = old.length === fresh.length
  let known: Map<unknown, unknown> | undefined
  fresh.forEach((one, n) => {
    let before = old[n]
    if (idOf(before) !== idOf(one)) before = (known ??= new Map(old.map((each) => [idOf(each), each]))).get(idOf(one))
    fresh[n] = kept(before, one)
    if (fresh[n] !== old[n]) isSame = false
  })
  return isSame
}

function isThing(one: unknown): one is object {
  return typeof one === 'object' && one !== null
}

function idOf(one: unknown): unknown {
  if (!isThing(one)) return undefined
  const { id, work_order_id } = one as Parts
  return id ?? work_order_id
}
