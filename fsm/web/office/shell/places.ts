// Where a job is: a machine, or a site without one.
export interface Place {
  asset_id: string | null
  site_id: string
  /** The site's; not known yet while a machine is only listed. */
  zone: string | null
  said: string
}
