// The pages of the office in the order of the menu, each with the permissions of which one opens it.
export const pages = ['board', 'roster', 'figures', 'settings'] as const
export type Page = (typeof pages)[number]

export const opening: Record<Page, string[]> = {
  board: ['plan'],
  roster: ['plan'],
  figures: ['read_kpis'],
  settings: ['manage_catalogue', 'manage_users', 'edit_assets', 'import_data'],
}
