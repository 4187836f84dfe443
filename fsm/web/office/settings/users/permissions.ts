// The permissions that roles are made of, in groups as people think of them; a test holds them to the server's.
export const groups = {
  administration: ['manage_users', 'manage_catalogue', 'import_data', 'export_data', 'read_history'],
  customers: ['read_customers', 'edit_customers', 'read_assets', 'edit_assets', 'read_contracts', 'edit_contracts'],
  people: ['read_technicians', 'edit_technicians', 'read_parts', 'edit_parts'],
  work: [
    'read_requests', 'edit_requests', 'read_work_orders', 'edit_work_orders', 'cancel_work_order', 'close_work_order',
    'reopen_work_order', 'waive_item', 'plan', 'sync',
  ],
  numbers: ['read_kpis', 'read_costs', 'read_person_kpis'],
} as const
