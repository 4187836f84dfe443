-- The first schema. Written from the models once; later changes are migrations of their own.

create extension if not exists btree_gist;

CREATE TABLE asset_model (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  manufacturer VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  equipment VARCHAR NOT NULL,
  gtin VARCHAR,
  service_life_months INTEGER,
  photo_sha256 BYTEA,
  CONSTRAINT asset_model_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT asset_model_code_key UNIQUE (tenant_id, code),
  CONSTRAINT asset_model_manufacturer_name_key UNIQUE (tenant_id, manufacturer, name)
);

CREATE TABLE passport_scan (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  code VARCHAR(255) NOT NULL,
  asset_id UUID,
  scanned_at TIMESTAMP WITH TIME ZONE NOT NULL,
  visitor VARCHAR(64) NOT NULL,
  latitude FLOAT,
  longitude FLOAT,
  CONSTRAINT passport_scan_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT passport_scan_position_check CHECK ((latitude is null) = (longitude is null))
);

CREATE INDEX passport_scan_code_idx ON passport_scan (tenant_id, code, scanned_at);

CREATE TABLE label_complaint (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  code VARCHAR(255) NOT NULL,
  asset_id UUID,
  reason VARCHAR(20) NOT NULL,
  text VARCHAR NOT NULL,
  contact_phone VARCHAR NOT NULL,
  visitor VARCHAR(64) NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  settled_at TIMESTAMP WITH TIME ZONE,
  settled_by UUID,
  settlement VARCHAR NOT NULL,
  CONSTRAINT label_complaint_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT label_complaint_reason_word_check CHECK (reason in ('other_machine', 'unreadable', 'other')),
  CONSTRAINT label_complaint_settled_check CHECK ((settled_at is null) = (settled_by is null))
);

CREATE INDEX label_complaint_code_idx ON label_complaint (tenant_id, code, received_at);

CREATE INDEX label_complaint_visitor_idx ON label_complaint (tenant_id, visitor, received_at);

CREATE TABLE work_type (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  is_active BOOLEAN NOT NULL,
  CONSTRAINT work_type_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT work_type_code_key UNIQUE (tenant_id, code)
);

CREATE TABLE reason (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  kind VARCHAR(20) NOT NULL,
  code VARCHAR(60) NOT NULL,
  names JSONB NOT NULL,
  stops_sla_clock BOOLEAN NOT NULL,
  stops_repair_clock BOOLEAN NOT NULL,
  is_active BOOLEAN NOT NULL,
  CONSTRAINT reason_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT reason_kind_code_key UNIQUE (tenant_id, kind, code),
  CONSTRAINT reason_kind_word_check CHECK (kind in ('pause', 'cancel', 'abort', 'reject', 'no_signature', 'reclass', 'reopen', 'waiver'))
);

CREATE TABLE checklist_template (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  is_active BOOLEAN NOT NULL,
  CONSTRAINT checklist_template_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT checklist_template_code_key UNIQUE (tenant_id, code)
);

CREATE TABLE calendar (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  CONSTRAINT calendar_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT calendar_code_key UNIQUE (tenant_id, code)
);

CREATE TABLE customer (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  number VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  tax_number VARCHAR,
  email VARCHAR,
  phone VARCHAR,
  notes VARCHAR NOT NULL,
  is_active BOOLEAN NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT customer_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT customer_number_key UNIQUE (tenant_id, number)
);

CREATE INDEX customer_name_idx ON customer (tenant_id, name);

CREATE TABLE event (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  kind VARCHAR(60) NOT NULL,
  entity VARCHAR(40) NOT NULL,
  entity_id UUID NOT NULL,
  actor_kind VARCHAR(10) NOT NULL,
  actor_name VARCHAR NOT NULL,
  user_id UUID,
  device_id UUID,
  occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
  occurred_lo_at TIMESTAMP WITH TIME ZONE NOT NULL,
  occurred_hi_at TIMESTAMP WITH TIME ZONE NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  data JSONB NOT NULL,
  CONSTRAINT event_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT event_bounds_check CHECK (occurred_lo_at <= occurred_at and occurred_at <= occurred_hi_at)
);

CREATE INDEX event_entity_idx ON event (tenant_id, entity, entity_id, received_at);

CREATE INDEX event_received_idx ON event (tenant_id, received_at);

CREATE TABLE chain_head (
  tenant_id UUID NOT NULL,
  number BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  CONSTRAINT chain_head_pkey PRIMARY KEY (tenant_id)
);

CREATE TABLE blob (
  tenant_id UUID NOT NULL,
  sha256 BYTEA NOT NULL,
  size BIGINT NOT NULL,
  mime VARCHAR(100) NOT NULL,
  stored_at TIMESTAMP WITH TIME ZONE NOT NULL,
  info JSONB NOT NULL,
  perceptual_hash BIGINT,
  thumbnail_sha256 BYTEA,
  CONSTRAINT blob_pkey PRIMARY KEY (tenant_id, sha256),
  CONSTRAINT blob_sha256_check CHECK (octet_length(sha256) = 32),
  CONSTRAINT blob_size_check CHECK (size >= 0)
);

CREATE TABLE blob_holder (
  tenant_id UUID NOT NULL,
  sha256 BYTEA NOT NULL,
  user_id UUID NOT NULL,
  since_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT blob_holder_pkey PRIMARY KEY (tenant_id, sha256, user_id)
);

CREATE TABLE upload (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID,
  device_id UUID,
  photo_id UUID,
  length BIGINT,
  received BIGINT NOT NULL,
  upload_metadata VARCHAR NOT NULL,
  sha256 BYTEA,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  finished_at TIMESTAMP WITH TIME ZONE,
  failure VARCHAR,
  writer UUID,
  writing_until TIMESTAMP WITH TIME ZONE,
  is_contested BOOLEAN NOT NULL,
  is_all_or_nothing BOOLEAN NOT NULL,
  CONSTRAINT upload_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT upload_received_check CHECK (received >= 0 and (length is null or received <= length))
);

CREATE INDEX upload_expires_idx ON upload (tenant_id, expires_at);

CREATE INDEX upload_photo_idx ON upload (tenant_id, photo_id);

CREATE TABLE receipt (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  sha256 BYTEA NOT NULL,
  size BIGINT NOT NULL,
  device_id UUID,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  kid VARCHAR(32) NOT NULL,
  signature BYTEA NOT NULL,
  CONSTRAINT receipt_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT receipt_sha256_check CHECK (octet_length(sha256) = 32)
);

CREATE TABLE part (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  number VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  unit VARCHAR(20) NOT NULL,
  manufacturer VARCHAR NOT NULL,
  is_original BOOLEAN NOT NULL,
  is_serialised BOOLEAN NOT NULL,
  lead_time_days INTEGER,
  is_active BOOLEAN NOT NULL,
  CONSTRAINT part_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT part_number_key UNIQUE (tenant_id, number)
);

CREATE TABLE skill (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  CONSTRAINT skill_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT skill_code_key UNIQUE (tenant_id, code)
);

CREATE TABLE directory (
  kind VARCHAR(20) NOT NULL,
  key_hash BYTEA NOT NULL,
  tenant_id UUID NOT NULL,
  CONSTRAINT directory_pkey PRIMARY KEY (kind, key_hash),
  CONSTRAINT directory_kind_word_check CHECK (kind in ('tenant', 'login', 'passport', 'passport_host', 'gs1_prefix'))
);

CREATE INDEX directory_tenant_idx ON directory (tenant_id, kind);

CREATE TABLE tenant (
  id UUID NOT NULL,
  slug VARCHAR(40) NOT NULL,
  name VARCHAR NOT NULL,
  zone VARCHAR NOT NULL,
  language VARCHAR NOT NULL,
  currency VARCHAR(3) NOT NULL,
  passport_host VARCHAR,
  gs1_prefix VARCHAR,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT tenant_pkey PRIMARY KEY (id)
);

CREATE TABLE role (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  permissions JSONB NOT NULL,
  CONSTRAINT role_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT role_code_key UNIQUE (tenant_id, code)
);

CREATE TABLE sign_in_throttle (
  tenant_id UUID NOT NULL,
  login_sha256 BYTEA NOT NULL,
  guesses INTEGER NOT NULL,
  locked_until TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT sign_in_throttle_pkey PRIMARY KEY (tenant_id, login_sha256)
);

CREATE TABLE counter (
  tenant_id UUID NOT NULL,
  name VARCHAR(20) NOT NULL,
  value BIGINT NOT NULL,
  CONSTRAINT counter_pkey PRIMARY KEY (tenant_id, name)
);

CREATE TABLE sync_head (
  tenant_id UUID NOT NULL,
  head BIGINT NOT NULL,
  epoch UUID NOT NULL,
  purged BIGINT NOT NULL,
  CONSTRAINT sync_head_pkey PRIMARY KEY (tenant_id)
);

CREATE TABLE sync_stamp (
  tenant_id UUID NOT NULL,
  head BIGINT NOT NULL,
  stamped_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT sync_stamp_pkey PRIMARY KEY (tenant_id, head)
);

CREATE TABLE sync_scope (
  tenant_id UUID NOT NULL,
  scope VARCHAR(60) NOT NULL,
  window_on DATE,
  CONSTRAINT sync_scope_pkey PRIMARY KEY (tenant_id, scope)
);

CREATE TABLE sync_row (
  tenant_id UUID NOT NULL,
  scope VARCHAR(60) NOT NULL,
  coll VARCHAR(40) NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  op VARCHAR(4) NOT NULL,
  why VARCHAR(40),
  body TEXT,
  h BIGINT NOT NULL,
  seq BIGINT,
  gone_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT sync_row_pkey PRIMARY KEY (tenant_id, scope, coll, id),
  CONSTRAINT sync_row_op_word_check CHECK (op in ('put', 'gone'))
)
 WITH (fillfactor = 70);

CREATE INDEX sync_row_seq_idx ON sync_row (tenant_id, scope, seq) WHERE seq is not null;

CREATE INDEX sync_row_unstamped_idx ON sync_row (tenant_id) WHERE seq is null;

CREATE INDEX sync_row_object_idx ON sync_row (tenant_id, coll, id);

CREATE TABLE intent (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  device_id UUID NOT NULL,
  device_seq BIGINT NOT NULL,
  type VARCHAR(40) NOT NULL,
  body JSONB NOT NULL,
  body_sha256 BYTEA NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  occurred_at TIMESTAMP WITH TIME ZONE,
  status VARCHAR(12) NOT NULL,
  outcome JSONB NOT NULL,
  CONSTRAINT intent_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT intent_body_sha256_check CHECK (octet_length(body_sha256) = 32),
  CONSTRAINT intent_status_word_check CHECK (status in ('applied', 'duplicate', 'waiting', 'rejected', 'quarantined'))
);

CREATE INDEX intent_waiting_idx ON intent (tenant_id, received_at) WHERE status in ('waiting', 'quarantined');

CREATE INDEX intent_device_idx ON intent (tenant_id, device_id, device_seq);

CREATE TABLE plan_run (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  status VARCHAR(10) NOT NULL,
  starts_on DATE NOT NULL,
  ends_on DATE NOT NULL,
  engine VARCHAR(20) NOT NULL,
  seconds FLOAT NOT NULL,
  seed BIGINT NOT NULL,
  options JSONB NOT NULL,
  inputs BYTEA,
  inputs_sha256 VARCHAR(64),
  versions JSONB NOT NULL,
  result JSONB,
  log JSONB NOT NULL,
  failure VARCHAR,
  requested_by VARCHAR NOT NULL,
  requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  finished_at TIMESTAMP WITH TIME ZONE,
  accepted_at TIMESTAMP WITH TIME ZONE,
  accepted_by VARCHAR,
  CONSTRAINT plan_run_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT plan_run_status_word_check CHECK (status in ('queued', 'solving', 'ready', 'failed', 'accepted', 'undone')),
  CONSTRAINT plan_run_horizon_check CHECK (ends_on >= starts_on)
);

CREATE INDEX plan_run_requested_idx ON plan_run (tenant_id, requested_at);

CREATE TABLE work_type_version (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_type_id UUID NOT NULL,
  version INTEGER NOT NULL,
  effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
  names JSONB NOT NULL,
  request_class VARCHAR(20) NOT NULL,
  maintenance VARCHAR(20) NOT NULL,
  duration_s INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  skills JSONB NOT NULL,
  CONSTRAINT work_type_version_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT work_type_version_work_type_id_fkey FOREIGN KEY(tenant_id, work_type_id) REFERENCES work_type (tenant_id, id),
  CONSTRAINT work_type_version_work_type_id_version_key UNIQUE (tenant_id, work_type_id, version),
  CONSTRAINT work_type_version_request_class_word_check CHECK (request_class in ('incident', 'service_request')),
  CONSTRAINT work_type_version_maintenance_word_check CHECK (maintenance in ('corrective', 'preventive', 'improvement')),
  CONSTRAINT work_type_version_duration_check CHECK (duration_s > 0),
  CONSTRAINT work_type_version_priority_check CHECK (priority between 1 and 5)
);

CREATE INDEX work_type_version_effective_idx ON work_type_version (tenant_id, work_type_id, effective_at);

CREATE TABLE checklist_version (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  template_id UUID NOT NULL,
  version INTEGER NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  rules_sha256 VARCHAR(64) NOT NULL,
  body JSONB NOT NULL,
  min_accepted INTEGER NOT NULL,
  policy VARCHAR(10) NOT NULL,
  published_at TIMESTAMP WITH TIME ZONE NOT NULL,
  published_by VARCHAR NOT NULL,
  CONSTRAINT checklist_version_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT checklist_version_template_id_fkey FOREIGN KEY(tenant_id, template_id) REFERENCES checklist_template (tenant_id, id),
  CONSTRAINT checklist_version_template_id_version_key UNIQUE (tenant_id, template_id, version),
  CONSTRAINT checklist_version_id_rules_sha256_key UNIQUE (tenant_id, id, rules_sha256),
  CONSTRAINT checklist_version_policy_check CHECK (policy in ('accept', 'review'))
);

CREATE TABLE calendar_version (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  calendar_id UUID NOT NULL,
  version INTEGER NOT NULL,
  effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
  body JSONB NOT NULL,
  CONSTRAINT calendar_version_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT calendar_version_calendar_id_fkey FOREIGN KEY(tenant_id, calendar_id) REFERENCES calendar (tenant_id, id),
  CONSTRAINT calendar_version_calendar_id_version_key UNIQUE (tenant_id, calendar_id, version)
);

CREATE INDEX calendar_version_effective_idx ON calendar_version (tenant_id, calendar_id, effective_at);

CREATE TABLE service_level (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  calendar_id UUID NOT NULL,
  CONSTRAINT service_level_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT service_level_code_key UNIQUE (tenant_id, code),
  CONSTRAINT service_level_calendar_id_fkey FOREIGN KEY(tenant_id, calendar_id) REFERENCES calendar (tenant_id, id)
);

CREATE TABLE site (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  customer_id UUID NOT NULL,
  number VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  address VARCHAR NOT NULL,
  city VARCHAR NOT NULL,
  region VARCHAR NOT NULL,
  country VARCHAR(2) NOT NULL,
  latitude FLOAT,
  longitude FLOAT,
  position_source VARCHAR(10),
  zone VARCHAR NOT NULL,
  access_notes VARCHAR NOT NULL,
  hazards VARCHAR NOT NULL,
  is_active BOOLEAN NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT site_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT site_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id),
  CONSTRAINT site_number_key UNIQUE (tenant_id, number),
  CONSTRAINT site_id_customer_id_key UNIQUE (tenant_id, id, customer_id),
  CONSTRAINT site_latitude_check CHECK (latitude between -90 and 90),
  CONSTRAINT site_longitude_check CHECK (longitude between -180 and 180),
  CONSTRAINT site_position_check CHECK ((latitude is null) = (longitude is null)),
  CONSTRAINT site_position_source_word_check CHECK (position_source in ('hand', 'import', 'geocoder'))
);

CREATE INDEX site_customer_idx ON site (tenant_id, customer_id);

CREATE TABLE event_unsealed (
  tenant_id UUID NOT NULL,
  event_id UUID NOT NULL,
  CONSTRAINT event_unsealed_pkey PRIMARY KEY (tenant_id, event_id),
  CONSTRAINT event_unsealed_event_id_fkey FOREIGN KEY(tenant_id, event_id) REFERENCES event (tenant_id, id)
);

CREATE TABLE event_seal (
  tenant_id UUID NOT NULL,
  number BIGINT NOT NULL,
  event_id UUID NOT NULL,
  hash BYTEA NOT NULL,
  sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT event_seal_pkey PRIMARY KEY (tenant_id, number),
  CONSTRAINT event_seal_event_id_fkey FOREIGN KEY(tenant_id, event_id) REFERENCES event (tenant_id, id),
  CONSTRAINT event_seal_event_id_key UNIQUE (tenant_id, event_id)
);

CREATE TABLE part_price (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  part_id UUID NOT NULL,
  cost NUMERIC(14, 2) NOT NULL,
  price NUMERIC(14, 2) NOT NULL,
  currency VARCHAR(3) NOT NULL,
  during DATERANGE NOT NULL,
  CONSTRAINT part_price_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT part_price_part_id_fkey FOREIGN KEY(tenant_id, part_id) REFERENCES part (tenant_id, id),
  CONSTRAINT part_price_no_overlap EXCLUDE USING gist (tenant_id WITH =, part_id WITH =, currency WITH =, during WITH &&),
  CONSTRAINT part_price_during_check CHECK (not isempty(during)),
  CONSTRAINT part_price_amounts_check CHECK (cost >= 0 and price >= 0)
);

CREATE TABLE "user" (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  login VARCHAR(200) NOT NULL,
  name VARCHAR NOT NULL,
  email VARCHAR,
  language VARCHAR NOT NULL,
  role_id UUID NOT NULL,
  customer_id UUID,
  password_hash VARCHAR,
  is_active BOOLEAN NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT user_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT user_login_key UNIQUE (tenant_id, login),
  CONSTRAINT user_role_id_fkey FOREIGN KEY(tenant_id, role_id) REFERENCES role (tenant_id, id),
  CONSTRAINT user_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id)
);

CREATE TABLE asset (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  customer_id UUID NOT NULL,
  site_id UUID NOT NULL,
  parent_id UUID,
  model_id UUID NOT NULL,
  number VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  serial VARCHAR(100),
  place VARCHAR NOT NULL,
  criticality INTEGER NOT NULL,
  in_service_from TIMESTAMP WITH TIME ZONE NOT NULL,
  retired_at TIMESTAMP WITH TIME ZONE,
  commissioned_on DATE,
  handed_over_on DATE,
  warranty_ends_on DATE,
  service_life_ends_on DATE,
  notes VARCHAR NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT asset_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT asset_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id),
  CONSTRAINT asset_site_id_customer_id_fkey FOREIGN KEY(tenant_id, site_id, customer_id) REFERENCES site (tenant_id, id, customer_id),
  CONSTRAINT asset_parent_id_fkey FOREIGN KEY(tenant_id, parent_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT asset_model_id_fkey FOREIGN KEY(tenant_id, model_id) REFERENCES asset_model (tenant_id, id),
  CONSTRAINT asset_number_key UNIQUE (tenant_id, number),
  CONSTRAINT asset_criticality_check CHECK (criticality between 1 and 5),
  CONSTRAINT asset_parent_check CHECK (parent_id <> id),
  CONSTRAINT asset_service_check CHECK (retired_at is null or retired_at > in_service_from)
);

CREATE INDEX asset_parent_idx ON asset (tenant_id, parent_id);

CREATE INDEX asset_model_idx ON asset (tenant_id, model_id);

CREATE INDEX asset_site_idx ON asset (tenant_id, site_id);

CREATE INDEX asset_customer_idx ON asset (tenant_id, customer_id);

CREATE TABLE opening (
  tenant_id UUID NOT NULL,
  calendar_version_id UUID NOT NULL,
  zone VARCHAR(60) NOT NULL,
  opens_at TIMESTAMP WITH TIME ZONE NOT NULL,
  closes_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT opening_pkey PRIMARY KEY (tenant_id, calendar_version_id, zone, opens_at),
  CONSTRAINT opening_calendar_version_id_fkey FOREIGN KEY(tenant_id, calendar_version_id) REFERENCES calendar_version (tenant_id, id),
  CONSTRAINT opening_length_check CHECK (closes_at > opens_at and closes_at <= opens_at + interval '25 hours')
);

CREATE TABLE service_level_version (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  service_level_id UUID NOT NULL,
  version INTEGER NOT NULL,
  effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
  body JSONB NOT NULL,
  CONSTRAINT service_level_version_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT service_level_version_service_level_id_fkey FOREIGN KEY(tenant_id, service_level_id) REFERENCES service_level (tenant_id, id),
  CONSTRAINT service_level_version_service_level_id_version_key UNIQUE (tenant_id, service_level_id, version)
);

CREATE INDEX service_level_version_effective_idx ON service_level_version (tenant_id, service_level_id, effective_at);

CREATE TABLE contract (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  customer_id UUID NOT NULL,
  number VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  kind VARCHAR(20) NOT NULL,
  starts_on DATE NOT NULL,
  ends_on DATE,
  service_level_id UUID,
  monthly_fee NUMERIC(14, 2) NOT NULL,
  currency VARCHAR(3) NOT NULL,
  covers JSONB NOT NULL,
  payers JSONB NOT NULL,
  priority INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT contract_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT contract_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id),
  CONSTRAINT contract_service_level_id_fkey FOREIGN KEY(tenant_id, service_level_id) REFERENCES service_level (tenant_id, id),
  CONSTRAINT contract_number_key UNIQUE (tenant_id, number),
  CONSTRAINT contract_kind_word_check CHECK (kind in ('warranty', 'post_warranty', 'subscription', 'time_and_materials')),
  CONSTRAINT contract_period_check CHECK (ends_on is null or ends_on >= starts_on),
  CONSTRAINT contract_fee_check CHECK (monthly_fee >= 0)
);

CREATE INDEX contract_customer_idx ON contract (tenant_id, customer_id);

CREATE TABLE contact (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  customer_id UUID NOT NULL,
  site_id UUID,
  name VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  phone VARCHAR,
  email VARCHAR,
  language VARCHAR NOT NULL,
  CONSTRAINT contact_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT contact_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id),
  CONSTRAINT contact_site_id_fkey FOREIGN KEY(tenant_id, site_id) REFERENCES site (tenant_id, id)
);

CREATE INDEX contact_customer_idx ON contact (tenant_id, customer_id);

CREATE TABLE technician (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  user_id UUID,
  number VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  phone VARCHAR,
  zone VARCHAR NOT NULL,
  territory VARCHAR NOT NULL,
  home_address VARCHAR NOT NULL,
  home_latitude FLOAT,
  home_longitude FLOAT,
  is_contractor BOOLEAN NOT NULL,
  is_active BOOLEAN NOT NULL,
  CONSTRAINT technician_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT technician_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES "user" (tenant_id, id),
  CONSTRAINT technician_number_key UNIQUE (tenant_id, number),
  CONSTRAINT technician_user_id_key UNIQUE (tenant_id, user_id),
  CONSTRAINT technician_home_check CHECK ((home_latitude is null) = (home_longitude is null))
);

CREATE TABLE refresh_token (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  family_id UUID NOT NULL,
  token_hash BYTEA NOT NULL,
  issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT refresh_token_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT refresh_token_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES "user" (tenant_id, id),
  CONSTRAINT refresh_token_token_hash_key UNIQUE (tenant_id, token_hash)
);

CREATE INDEX refresh_token_family_idx ON refresh_token (tenant_id, family_id);

CREATE TABLE device (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  install_id VARCHAR(100) NOT NULL,
  platform VARCHAR(60) NOT NULL,
  app VARCHAR(60) NOT NULL,
  schema_version INTEGER NOT NULL,
  public_key VARCHAR,
  token_hash BYTEA NOT NULL,
  registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_seen_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  revoked_reason VARCHAR,
  info JSONB NOT NULL,
  CONSTRAINT device_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT device_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES "user" (tenant_id, id),
  CONSTRAINT device_token_hash_key UNIQUE (tenant_id, token_hash),
  CONSTRAINT device_user_id_install_id_key UNIQUE (tenant_id, user_id, install_id)
);

CREATE TABLE identifier (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  asset_id UUID NOT NULL,
  scheme VARCHAR(20) NOT NULL,
  value VARCHAR(255) NOT NULL,
  CONSTRAINT identifier_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT identifier_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT identifier_scheme_value_key UNIQUE (tenant_id, scheme, value)
);

CREATE INDEX identifier_asset_idx ON identifier (tenant_id, asset_id);

CREATE TABLE passport (
  tenant_id UUID NOT NULL,
  code VARCHAR(16) NOT NULL,
  asset_id UUID,
  status VARCHAR(12) NOT NULL,
  batch VARCHAR(60) NOT NULL,
  forward_url VARCHAR,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  claimed_at TIMESTAMP WITH TIME ZONE,
  claimed_by UUID,
  CONSTRAINT passport_pkey PRIMARY KEY (tenant_id, code),
  CONSTRAINT passport_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT passport_status_word_check CHECK (status in ('unclaimed', 'active', 'retired', 'forwarded')),
  CONSTRAINT passport_unclaimed_check CHECK (status <> 'unclaimed' or asset_id is null),
  CONSTRAINT passport_active_check CHECK (status <> 'active' or asset_id is not null),
  CONSTRAINT passport_forwarded_check CHECK ((status = 'forwarded') = (forward_url is not null))
);

CREATE INDEX passport_asset_idx ON passport (tenant_id, asset_id);

CREATE INDEX passport_batch_idx ON passport (tenant_id, batch);

CREATE TABLE meter (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  asset_id UUID NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  unit VARCHAR(20) NOT NULL,
  rollover_at NUMERIC(14, 4),
  CONSTRAINT meter_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT meter_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT meter_asset_id_code_key UNIQUE (tenant_id, asset_id, code)
);

CREATE TABLE asset_document (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  asset_id UUID,
  model_id UUID,
  title VARCHAR NOT NULL,
  language VARCHAR(10) NOT NULL,
  sha256 BYTEA NOT NULL,
  mime VARCHAR(100) NOT NULL,
  size INTEGER NOT NULL,
  added_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT asset_document_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT asset_document_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT asset_document_model_id_fkey FOREIGN KEY(tenant_id, model_id) REFERENCES asset_model (tenant_id, id),
  CONSTRAINT asset_document_sha256_fkey FOREIGN KEY(tenant_id, sha256) REFERENCES blob (tenant_id, sha256),
  CONSTRAINT asset_document_subject_check CHECK ((asset_id is null) <> (model_id is null))
);

CREATE INDEX asset_document_model_idx ON asset_document (tenant_id, model_id);

CREATE INDEX asset_document_asset_idx ON asset_document (tenant_id, asset_id);

CREATE TABLE failure (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  asset_id UUID NOT NULL,
  failed_at TIMESTAMP WITH TIME ZONE,
  detected_at TIMESTAMP WITH TIME ZONE NOT NULL,
  restored_at TIMESTAMP WITH TIME ZONE,
  mode VARCHAR(60),
  mechanism VARCHAR(60),
  cause VARCHAR(60),
  exclusion VARCHAR(60),
  source VARCHAR(60),
  source_id VARCHAR(200),
  CONSTRAINT failure_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT failure_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT failure_order_check CHECK (failed_at is null or failed_at <= detected_at),
  CONSTRAINT failure_restored_check CHECK (restored_at is null or restored_at >= detected_at),
  CONSTRAINT failure_source_source_id_key UNIQUE (tenant_id, source, source_id)
);

CREATE INDEX failure_asset_idx ON failure (tenant_id, asset_id, detected_at);

CREATE INDEX failure_restored_idx ON failure (tenant_id, restored_at);

CREATE TABLE checklist_assignment (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  template_id UUID NOT NULL,
  asset_id UUID,
  model_id UUID,
  site_id UUID,
  work_type_id UUID,
  assigned_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT checklist_assignment_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT checklist_assignment_template_id_fkey FOREIGN KEY(tenant_id, template_id) REFERENCES checklist_template (tenant_id, id),
  CONSTRAINT checklist_assignment_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT checklist_assignment_model_id_fkey FOREIGN KEY(tenant_id, model_id) REFERENCES asset_model (tenant_id, id),
  CONSTRAINT checklist_assignment_site_id_fkey FOREIGN KEY(tenant_id, site_id) REFERENCES site (tenant_id, id),
  CONSTRAINT checklist_assignment_work_type_id_fkey FOREIGN KEY(tenant_id, work_type_id) REFERENCES work_type (tenant_id, id),
  CONSTRAINT checklist_assignment_subject_check CHECK (num_nonnulls(asset_id, model_id, site_id) <= 1),
  CONSTRAINT checklist_assignment_something_check CHECK (num_nonnulls(asset_id, model_id, site_id, work_type_id) >= 1)
);

CREATE UNIQUE INDEX checklist_assignment_subject_key ON checklist_assignment (tenant_id, asset_id, model_id, site_id, work_type_id) NULLS NOT DISTINCT;

CREATE INDEX checklist_assignment_work_type_idx ON checklist_assignment (tenant_id, work_type_id);

CREATE TABLE contract_asset (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  contract_id UUID NOT NULL,
  asset_id UUID NOT NULL,
  during DATERANGE NOT NULL,
  CONSTRAINT contract_asset_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT contract_asset_contract_id_fkey FOREIGN KEY(tenant_id, contract_id) REFERENCES contract (tenant_id, id),
  CONSTRAINT contract_asset_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT contract_asset_no_overlap EXCLUDE USING gist (tenant_id WITH =, contract_id WITH =, asset_id WITH =, during WITH &&),
  CONSTRAINT contract_asset_during_check CHECK (not isempty(during))
);

CREATE INDEX contract_asset_asset_idx ON contract_asset (tenant_id, asset_id);

CREATE TABLE stock_place (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  code VARCHAR(60) NOT NULL,
  name VARCHAR NOT NULL,
  kind VARCHAR(12) NOT NULL,
  technician_id UUID,
  latitude FLOAT,
  longitude FLOAT,
  CONSTRAINT stock_place_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT stock_place_code_key UNIQUE (tenant_id, code),
  CONSTRAINT stock_place_technician_id_key UNIQUE (tenant_id, technician_id),
  CONSTRAINT stock_place_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT stock_place_kind_word_check CHECK (kind in ('warehouse', 'van')),
  CONSTRAINT stock_place_van_check CHECK ((kind = 'van') = (technician_id is not null))
);

CREATE TABLE technician_skill (
  tenant_id UUID NOT NULL,
  technician_id UUID NOT NULL,
  skill_id UUID NOT NULL,
  level INTEGER NOT NULL,
  valid_until DATE,
  CONSTRAINT technician_skill_pkey PRIMARY KEY (tenant_id, technician_id, skill_id),
  CONSTRAINT technician_skill_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT technician_skill_skill_id_fkey FOREIGN KEY(tenant_id, skill_id) REFERENCES skill (tenant_id, id),
  CONSTRAINT technician_skill_level_check CHECK (level between 1 and 5)
);

CREATE TABLE shift (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  technician_id UUID NOT NULL,
  during TSTZRANGE NOT NULL,
  overtime_s INTEGER NOT NULL,
  break_s INTEGER NOT NULL,
  break_earliest_s INTEGER NOT NULL,
  break_latest_s INTEGER NOT NULL,
  start_latitude FLOAT,
  start_longitude FLOAT,
  CONSTRAINT shift_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT shift_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT shift_no_overlap EXCLUDE USING gist (tenant_id WITH =, technician_id WITH =, during WITH &&),
  CONSTRAINT shift_during_check CHECK (not isempty(during) and not lower_inf(during) and not upper_inf(during)),
  CONSTRAINT shift_length_check CHECK (upper(during) - lower(during) <= interval '24 hours'),
  CONSTRAINT shift_overtime_check CHECK (overtime_s >= 0),
  CONSTRAINT shift_break_check CHECK (break_s >= 0 and break_earliest_s >= 0 and break_latest_s >= break_earliest_s)
);

CREATE INDEX shift_during_idx ON shift USING gist (tenant_id, during);

CREATE TABLE absence (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  technician_id UUID NOT NULL,
  during TSTZRANGE NOT NULL,
  kind VARCHAR(20) NOT NULL,
  note VARCHAR NOT NULL,
  CONSTRAINT absence_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT absence_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT absence_no_overlap EXCLUDE USING gist (tenant_id WITH =, technician_id WITH =, during WITH &&),
  CONSTRAINT absence_during_check CHECK (not isempty(during) and not lower_inf(during)),
  CONSTRAINT absence_kind_word_check CHECK (kind in ('leave', 'sick', 'training', 'other'))
);

CREATE TABLE rate (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  technician_id UUID,
  kind VARCHAR(20) NOT NULL,
  amount NUMERIC(14, 2) NOT NULL,
  currency VARCHAR(3) NOT NULL,
  during DATERANGE NOT NULL,
  CONSTRAINT rate_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT rate_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT rate_kind_word_check CHECK (kind in ('labour', 'travel')),
  CONSTRAINT rate_amount_check CHECK (amount >= 0),
  CONSTRAINT rate_during_check CHECK (not isempty(during)),
  CONSTRAINT rate_no_overlap EXCLUDE USING gist (tenant_id WITH =, technician_id WITH =, kind WITH =, during WITH &&),
  CONSTRAINT rate_company_no_overlap EXCLUDE USING gist (tenant_id WITH =, kind WITH =, during WITH &&) WHERE (technician_id is null)
);

CREATE INDEX rate_kind_idx ON rate (tenant_id, kind, technician_id);

CREATE TABLE service_request (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  number VARCHAR(60) NOT NULL,
  asset_id UUID,
  site_id UUID,
  customer_id UUID,
  source VARCHAR(12) NOT NULL,
  status VARCHAR(12) NOT NULL,
  request_class VARCHAR(20) NOT NULL,
  impact VARCHAR(12),
  text VARCHAR NOT NULL,
  contact_name VARCHAR NOT NULL,
  contact_phone VARCHAR NOT NULL,
  contact_email VARCHAR NOT NULL,
  language VARCHAR(10) NOT NULL,
  reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  decline_reason VARCHAR NOT NULL,
  merged_into_id UUID,
  status_token_sha256 BYTEA,
  status_link_expires_at TIMESTAMP WITH TIME ZONE,
  passport_code VARCHAR(255),
  visitor VARCHAR(64) NOT NULL,
  CONSTRAINT service_request_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT service_request_number_key UNIQUE (tenant_id, number),
  CONSTRAINT service_request_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT service_request_site_id_fkey FOREIGN KEY(tenant_id, site_id) REFERENCES site (tenant_id, id),
  CONSTRAINT service_request_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id),
  CONSTRAINT service_request_merged_into_id_fkey FOREIGN KEY(tenant_id, merged_into_id) REFERENCES service_request (tenant_id, id),
  CONSTRAINT service_request_status_word_check CHECK (status in ('new', 'accepted', 'declined', 'merged')),
  CONSTRAINT service_request_source_word_check CHECK (source in ('passport', 'office', 'api', 'import')),
  CONSTRAINT service_request_request_class_word_check CHECK (request_class in ('incident', 'service_request')),
  CONSTRAINT service_request_impact_check CHECK (impact is null or impact in ('stopped','degraded','running','question')),
  CONSTRAINT service_request_merged_check CHECK ((status = 'merged') = (merged_into_id is not null))
);

CREATE UNIQUE INDEX service_request_status_token_idx ON service_request (tenant_id, status_token_sha256) WHERE status_token_sha256 is not null;

CREATE INDEX service_request_visitor_idx ON service_request (tenant_id, visitor, reported_at);

CREATE INDEX service_request_merged_into_idx ON service_request (tenant_id, merged_into_id);

CREATE INDEX service_request_status_idx ON service_request (tenant_id, status, reported_at);

CREATE INDEX service_request_asset_idx ON service_request (tenant_id, asset_id, reported_at);

CREATE INDEX service_request_passport_code_idx ON service_request (tenant_id, passport_code, reported_at);

CREATE TABLE sync_device (
  tenant_id UUID NOT NULL,
  device_id UUID NOT NULL,
  last_seq BIGINT NOT NULL,
  outbox_empty_at BIGINT,
  clock_offset_ms BIGINT NOT NULL,
  offset_samples JSONB NOT NULL,
  CONSTRAINT sync_device_pkey PRIMARY KEY (tenant_id, device_id),
  CONSTRAINT sync_device_device_id_fkey FOREIGN KEY(tenant_id, device_id) REFERENCES device (tenant_id, id)
);

CREATE TABLE meter_reading (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  meter_id UUID NOT NULL,
  read_at TIMESTAMP WITH TIME ZONE NOT NULL,
  value NUMERIC(14, 4) NOT NULL,
  is_reset BOOLEAN NOT NULL,
  is_rollover BOOLEAN NOT NULL,
  source VARCHAR(20) NOT NULL,
  CONSTRAINT meter_reading_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT meter_reading_meter_id_fkey FOREIGN KEY(tenant_id, meter_id) REFERENCES meter (tenant_id, id),
  CONSTRAINT meter_reading_meter_id_read_at_key UNIQUE (tenant_id, meter_id, read_at),
  CONSTRAINT meter_reading_value_check CHECK (value >= 0),
  CONSTRAINT meter_reading_kind_check CHECK (not (is_reset and is_rollover))
);

CREATE TABLE outage (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  asset_id UUID NOT NULL,
  failure_id UUID,
  during TSTZRANGE NOT NULL,
  cause VARCHAR(12) NOT NULL,
  is_degraded BOOLEAN NOT NULL,
  CONSTRAINT outage_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT outage_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT outage_failure_id_fkey FOREIGN KEY(tenant_id, failure_id) REFERENCES failure (tenant_id, id),
  CONSTRAINT outage_cause_word_check CHECK (cause in ('failure', 'planned', 'external', 'operational')),
  CONSTRAINT outage_during_check CHECK (not isempty(during) and lower(during) is not null)
);

CREATE INDEX outage_failure_idx ON outage (tenant_id, failure_id);

CREATE INDEX outage_during_idx ON outage USING gist (tenant_id, asset_id, during);

CREATE TABLE movement (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  part_id UUID NOT NULL,
  kind VARCHAR(12) NOT NULL,
  from_place_id UUID,
  to_place_id UUID,
  quantity NUMERIC(14, 4) NOT NULL,
  unit_cost NUMERIC(14, 2) NOT NULL,
  currency VARCHAR(3) NOT NULL,
  moved_at TIMESTAMP WITH TIME ZONE NOT NULL,
  by VARCHAR NOT NULL,
  note VARCHAR NOT NULL,
  source VARCHAR(60),
  source_id VARCHAR(200),
  CONSTRAINT movement_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT movement_part_id_fkey FOREIGN KEY(tenant_id, part_id) REFERENCES part (tenant_id, id),
  CONSTRAINT movement_from_place_id_fkey FOREIGN KEY(tenant_id, from_place_id) REFERENCES stock_place (tenant_id, id),
  CONSTRAINT movement_to_place_id_fkey FOREIGN KEY(tenant_id, to_place_id) REFERENCES stock_place (tenant_id, id),
  CONSTRAINT movement_kind_word_check CHECK (kind in ('receipt', 'transfer', 'use', 'return', 'correction')),
  CONSTRAINT movement_quantity_check CHECK (quantity > 0),
  CONSTRAINT movement_places_check CHECK (from_place_id is distinct from to_place_id or kind = 'use'),
  CONSTRAINT movement_direction_check CHECK (case kind when 'transfer' then from_place_id is not null and to_place_id is not null when 'use' then to_place_id is null when 'correction' then from_place_id is null or to_place_id is null else from_place_id is null end),
  CONSTRAINT movement_unit_cost_check CHECK (unit_cost >= 0),
  CONSTRAINT movement_source_source_id_key UNIQUE (tenant_id, source, source_id)
);

CREATE INDEX movement_part_idx ON movement (tenant_id, part_id, moved_at);

CREATE INDEX movement_from_idx ON movement (tenant_id, from_place_id, part_id);

CREATE INDEX movement_to_idx ON movement (tenant_id, to_place_id, part_id);

CREATE TABLE request_attachment (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  request_id UUID NOT NULL,
  sha256 BYTEA NOT NULL,
  mime VARCHAR(100) NOT NULL,
  size BIGINT NOT NULL,
  added_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT request_attachment_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT request_attachment_request_id_fkey FOREIGN KEY(tenant_id, request_id) REFERENCES service_request (tenant_id, id),
  CONSTRAINT request_attachment_sha256_fkey FOREIGN KEY(tenant_id, sha256) REFERENCES blob (tenant_id, sha256)
);

CREATE INDEX request_attachment_request_idx ON request_attachment (tenant_id, request_id);

CREATE TABLE work_order (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  number VARCHAR(60) NOT NULL,
  status VARCHAR(12) NOT NULL,
  request_id UUID,
  customer_id UUID NOT NULL,
  site_id UUID NOT NULL,
  asset_id UUID,
  contract_id UUID,
  failure_id UUID,
  work_type_id UUID NOT NULL,
  work_type_version_id UUID NOT NULL,
  request_class VARCHAR(20) NOT NULL,
  maintenance VARCHAR(20) NOT NULL,
  priority INTEGER NOT NULL,
  title VARCHAR NOT NULL,
  description VARCHAR NOT NULL,
  estimate_s INTEGER NOT NULL,
  crew_size INTEGER NOT NULL,
  skills JSONB NOT NULL,
  zone VARCHAR NOT NULL,
  is_rework BOOLEAN NOT NULL,
  follows_id UUID,
  reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  dispatched_at TIMESTAMP WITH TIME ZONE,
  work_started_at TIMESTAMP WITH TIME ZONE,
  work_done_at TIMESTAMP WITH TIME ZONE,
  completed_at TIMESTAMP WITH TIME ZONE,
  closed_at TIMESTAMP WITH TIME ZONE,
  closed_by UUID,
  reopened_at TIMESTAMP WITH TIME ZONE,
  cancelled_at TIMESTAMP WITH TIME ZONE,
  cancel_reason VARCHAR,
  respond_by TIMESTAMP WITH TIME ZONE,
  restore_by TIMESTAMP WITH TIME ZONE,
  service_level_version_id UUID,
  calendar_version_id UUID,
  checklist_version_id UUID,
  rules_sha256 VARCHAR(64),
  facts_rev BIGINT NOT NULL,
  closure_id UUID,
  finished_visit_id UUID,
  wants_more_work BOOLEAN NOT NULL,
  is_unproved BOOLEAN NOT NULL,
  nonce BYTEA,
  source VARCHAR(60),
  source_id VARCHAR(200),
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT work_order_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT work_order_number_key UNIQUE (tenant_id, number),
  CONSTRAINT work_order_source_source_id_key UNIQUE (tenant_id, source, source_id),
  CONSTRAINT work_order_request_id_fkey FOREIGN KEY(tenant_id, request_id) REFERENCES service_request (tenant_id, id),
  CONSTRAINT work_order_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customer (tenant_id, id),
  CONSTRAINT work_order_site_id_fkey FOREIGN KEY(tenant_id, site_id) REFERENCES site (tenant_id, id),
  CONSTRAINT work_order_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT work_order_contract_id_fkey FOREIGN KEY(tenant_id, contract_id) REFERENCES contract (tenant_id, id),
  CONSTRAINT work_order_failure_id_fkey FOREIGN KEY(tenant_id, failure_id) REFERENCES failure (tenant_id, id),
  CONSTRAINT work_order_work_type_id_fkey FOREIGN KEY(tenant_id, work_type_id) REFERENCES work_type (tenant_id, id),
  CONSTRAINT work_order_work_type_version_id_fkey FOREIGN KEY(tenant_id, work_type_version_id) REFERENCES work_type_version (tenant_id, id),
  CONSTRAINT work_order_service_level_version_id_fkey FOREIGN KEY(tenant_id, service_level_version_id) REFERENCES service_level_version (tenant_id, id),
  CONSTRAINT work_order_calendar_version_id_fkey FOREIGN KEY(tenant_id, calendar_version_id) REFERENCES calendar_version (tenant_id, id),
  CONSTRAINT work_order_follows_id_fkey FOREIGN KEY(tenant_id, follows_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT work_order_pinned_rules_fkey FOREIGN KEY(tenant_id, checklist_version_id, rules_sha256) REFERENCES checklist_version (tenant_id, id, rules_sha256),
  CONSTRAINT work_order_status_word_check CHECK (status in ('open', 'scheduled', 'dispatched', 'in_progress', 'work_done', 'completed', 'closed', 'cancelled')),
  CONSTRAINT work_order_request_class_word_check CHECK (request_class in ('incident', 'service_request')),
  CONSTRAINT work_order_maintenance_word_check CHECK (maintenance in ('corrective', 'preventive', 'improvement')),
  CONSTRAINT work_order_completed_check CHECK (status not in ('completed','closed') or (closure_id is not null and rules_sha256 is not null)),
  CONSTRAINT work_order_closed_check CHECK (status <> 'closed' or (closed_by is not null and closed_at is not null)),
  CONSTRAINT work_order_pinned_check CHECK ((checklist_version_id is null) = (rules_sha256 is null)),
  CONSTRAINT work_order_priority_check CHECK (priority between 1 and 5)
);

CREATE INDEX work_order_customer_idx ON work_order (tenant_id, customer_id, reported_at);

CREATE INDEX work_order_reported_idx ON work_order (tenant_id, reported_at, id);

CREATE INDEX work_order_failure_idx ON work_order (tenant_id, failure_id);

CREATE INDEX work_order_contract_idx ON work_order (tenant_id, contract_id, reported_at);

CREATE INDEX work_order_site_idx ON work_order (tenant_id, site_id);

CREATE INDEX work_order_asset_idx ON work_order (tenant_id, asset_id, reported_at);

CREATE INDEX work_order_request_idx ON work_order (tenant_id, request_id);

CREATE INDEX work_order_status_idx ON work_order (tenant_id, status, restore_by);

CREATE TABLE waiver (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  item VARCHAR(64) NOT NULL,
  reason VARCHAR NOT NULL,
  waived_by UUID NOT NULL,
  waived_by_name VARCHAR NOT NULL,
  waived_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT waiver_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT waiver_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id)
);

CREATE INDEX waiver_work_order_idx ON waiver (tenant_id, work_order_id);

CREATE TABLE work_order_closure (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  facts_rev BIGINT NOT NULL,
  rules_sha256 VARCHAR(64) NOT NULL,
  verdict JSONB NOT NULL,
  unmet JSONB NOT NULL,
  judged_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT work_order_closure_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT work_order_closure_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT work_order_closure_satisfied_check CHECK (unmet = '[]'),
  CONSTRAINT work_order_closure_judged_key UNIQUE (tenant_id, work_order_id, id, facts_rev, rules_sha256)
);

CREATE TABLE note (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID,
  text VARCHAR NOT NULL,
  written_at TIMESTAMP WITH TIME ZONE NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  by VARCHAR NOT NULL,
  CONSTRAINT note_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT note_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id)
);

CREATE INDEX note_work_order_idx ON note (tenant_id, work_order_id);

CREATE TABLE cost_line (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  asset_id UUID,
  contract_id UUID,
  technician_id UUID,
  kind VARCHAR(12) NOT NULL,
  quantity NUMERIC(14, 4) NOT NULL,
  unit_cost NUMERIC(14, 2) NOT NULL,
  amount NUMERIC(14, 2) NOT NULL,
  currency VARCHAR(3) NOT NULL,
  posted_on DATE NOT NULL,
  source_kind VARCHAR(20) NOT NULL,
  source_id UUID,
  payer VARCHAR(12),
  payer_rule VARCHAR(60),
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT cost_line_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT cost_line_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT cost_line_asset_id_fkey FOREIGN KEY(tenant_id, asset_id) REFERENCES asset (tenant_id, id),
  CONSTRAINT cost_line_contract_id_fkey FOREIGN KEY(tenant_id, contract_id) REFERENCES contract (tenant_id, id),
  CONSTRAINT cost_line_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT cost_line_kind_word_check CHECK (kind in ('labour', 'travel', 'parts', 'contractor', 'other'))
);

CREATE INDEX cost_line_work_order_idx ON cost_line (tenant_id, work_order_id);

CREATE INDEX cost_line_contract_idx ON cost_line (tenant_id, contract_id, posted_on);

CREATE INDEX cost_line_asset_idx ON cost_line (tenant_id, asset_id, posted_on);

CREATE TABLE visit (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  rev BIGINT NOT NULL,
  work_order_id UUID NOT NULL,
  technician_id UUID NOT NULL,
  status VARCHAR(12) NOT NULL,
  planned_starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
  planned_ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
  window_starts_at TIMESTAMP WITH TIME ZONE,
  window_ends_at TIMESTAMP WITH TIME ZONE,
  travel_s INTEGER NOT NULL,
  is_pinned BOOLEAN NOT NULL,
  crew_id UUID,
  plan_run_id UUID,
  follows_id UUID,
  dispatched_at TIMESTAMP WITH TIME ZONE,
  travel_started_at TIMESTAMP WITH TIME ZONE,
  arrived_at TIMESTAMP WITH TIME ZONE,
  work_started_at TIMESTAMP WITH TIME ZONE,
  finished_at TIMESTAMP WITH TIME ZONE,
  ended_reason VARCHAR,
  is_orphan BOOLEAN NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT visit_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT visit_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT visit_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT visit_follows_id_fkey FOREIGN KEY(tenant_id, follows_id) REFERENCES visit (tenant_id, id),
  CONSTRAINT visit_work_order_id_id_key UNIQUE (tenant_id, work_order_id, id),
  CONSTRAINT visit_status_word_check CHECK (status in ('planned', 'dispatched', 'travelling', 'on_site', 'paused', 'finished', 'aborted', 'rejected', 'withdrawn')),
  CONSTRAINT visit_planned_check CHECK (planned_ends_at >= planned_starts_at),
  CONSTRAINT visit_window_check CHECK (window_ends_at is null or window_ends_at >= window_starts_at)
);

CREATE INDEX visit_technician_idx ON visit (tenant_id, technician_id, planned_starts_at);

CREATE INDEX visit_work_order_idx ON visit (tenant_id, work_order_id);

CREATE TABLE clock (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  kind VARCHAR(12) NOT NULL,
  service_level_version_id UUID NOT NULL,
  calendar_version_id UUID NOT NULL,
  zone VARCHAR(60) NOT NULL,
  target_s INTEGER NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  stopped_at TIMESTAMP WITH TIME ZONE,
  elapsed_s INTEGER NOT NULL,
  stops JSONB NOT NULL,
  retargets JSONB NOT NULL,
  state VARCHAR(12) NOT NULL,
  CONSTRAINT clock_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT clock_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT clock_service_level_version_id_fkey FOREIGN KEY(tenant_id, service_level_version_id) REFERENCES service_level_version (tenant_id, id),
  CONSTRAINT clock_calendar_version_id_fkey FOREIGN KEY(tenant_id, calendar_version_id) REFERENCES calendar_version (tenant_id, id),
  CONSTRAINT clock_work_order_id_kind_key UNIQUE (tenant_id, work_order_id, kind),
  CONSTRAINT clock_kind_check CHECK (kind in ('response', 'restoration')),
  CONSTRAINT clock_target_check CHECK (target_s > 0)
);

CREATE INDEX clock_due_idx ON clock (tenant_id, due_at);

CREATE TABLE answer (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID NOT NULL,
  item VARCHAR(64) NOT NULL,
  value JSONB NOT NULL,
  answered_at TIMESTAMP WITH TIME ZONE NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  device_id UUID,
  device_seq BIGINT NOT NULL,
  by VARCHAR NOT NULL,
  CONSTRAINT answer_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT answer_work_order_id_visit_id_fkey FOREIGN KEY(tenant_id, work_order_id, visit_id) REFERENCES visit (tenant_id, work_order_id, id)
);

CREATE INDEX answer_work_order_idx ON answer (tenant_id, work_order_id, item);

CREATE TABLE photo (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID NOT NULL,
  item VARCHAR(64) NOT NULL,
  slot INTEGER NOT NULL,
  sha256 BYTEA NOT NULL,
  size BIGINT NOT NULL,
  mime VARCHAR(100) NOT NULL,
  state VARCHAR(12) NOT NULL,
  verified_sha256 BYTEA,
  captured_at TIMESTAMP WITH TIME ZONE NOT NULL,
  declared_at TIMESTAMP WITH TIME ZONE NOT NULL,
  verified_at TIMESTAMP WITH TIME ZONE,
  latitude FLOAT,
  longitude FLOAT,
  flags JSONB NOT NULL,
  retracted_at TIMESTAMP WITH TIME ZONE,
  retract_reason VARCHAR,
  device_id UUID,
  user_id UUID,
  CONSTRAINT photo_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT photo_work_order_id_visit_id_fkey FOREIGN KEY(tenant_id, work_order_id, visit_id) REFERENCES visit (tenant_id, work_order_id, id),
  CONSTRAINT photo_state_word_check CHECK (state in ('declared', 'uploading', 'stored', 'verified', 'corrupt')),
  CONSTRAINT photo_verified_check CHECK ((state = 'verified') = (verified_sha256 is not null)),
  CONSTRAINT photo_same_bytes_check CHECK (verified_sha256 is null or verified_sha256 = sha256),
  CONSTRAINT photo_sha256_check CHECK (octet_length(sha256) = 32),
  CONSTRAINT photo_size_check CHECK (size > 0),
  CONSTRAINT photo_verified_sha256_fkey FOREIGN KEY(tenant_id, verified_sha256) REFERENCES blob (tenant_id, sha256),
  CONSTRAINT photo_verified_key UNIQUE (tenant_id, work_order_id, id, verified_sha256)
);

CREATE INDEX photo_work_order_idx ON photo (tenant_id, work_order_id);

CREATE INDEX photo_sha256_idx ON photo (tenant_id, sha256);

CREATE TABLE time_entry (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID,
  technician_id UUID NOT NULL,
  kind VARCHAR(10) NOT NULL,
  during TSTZRANGE NOT NULL,
  corrects_id UUID,
  needs_review BOOLEAN NOT NULL,
  recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT time_entry_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT time_entry_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT time_entry_visit_id_fkey FOREIGN KEY(tenant_id, visit_id) REFERENCES visit (tenant_id, id),
  CONSTRAINT time_entry_technician_id_fkey FOREIGN KEY(tenant_id, technician_id) REFERENCES technician (tenant_id, id),
  CONSTRAINT time_entry_corrects_id_fkey FOREIGN KEY(tenant_id, corrects_id) REFERENCES time_entry (tenant_id, id),
  CONSTRAINT time_entry_kind_word_check CHECK (kind in ('work', 'travel', 'wait', 'break', 'admin')),
  CONSTRAINT time_entry_during_check CHECK (not isempty(during) and not lower_inf(during) and not upper_inf(during))
);

CREATE INDEX time_entry_work_order_idx ON time_entry (tenant_id, work_order_id);

CREATE INDEX time_entry_technician_idx ON time_entry (tenant_id, technician_id);

CREATE TABLE part_used (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID,
  part_id UUID NOT NULL,
  movement_id UUID NOT NULL,
  quantity NUMERIC(14, 4) NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT part_used_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT part_used_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT part_used_visit_id_fkey FOREIGN KEY(tenant_id, visit_id) REFERENCES visit (tenant_id, id),
  CONSTRAINT part_used_part_id_fkey FOREIGN KEY(tenant_id, part_id) REFERENCES part (tenant_id, id),
  CONSTRAINT part_used_movement_id_fkey FOREIGN KEY(tenant_id, movement_id) REFERENCES movement (tenant_id, id),
  CONSTRAINT part_used_quantity_check CHECK (quantity > 0)
);

CREATE INDEX part_used_work_order_idx ON part_used (tenant_id, work_order_id);

CREATE TABLE pause (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID,
  reason_id UUID NOT NULL,
  during TSTZRANGE NOT NULL,
  stops_sla_clock BOOLEAN NOT NULL,
  stops_repair_clock BOOLEAN NOT NULL,
  by VARCHAR NOT NULL,
  CONSTRAINT pause_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT pause_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT pause_visit_id_fkey FOREIGN KEY(tenant_id, visit_id) REFERENCES visit (tenant_id, id),
  CONSTRAINT pause_reason_id_fkey FOREIGN KEY(tenant_id, reason_id) REFERENCES reason (tenant_id, id),
  CONSTRAINT pause_during_check CHECK (not isempty(during) and not lower_inf(during)),
  CONSTRAINT pause_no_overlap EXCLUDE USING gist (tenant_id WITH =, visit_id WITH =, reason_id WITH =, during WITH &&)
);

CREATE INDEX pause_work_order_idx ON pause (tenant_id, work_order_id);

CREATE TABLE review (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID,
  visit_id UUID,
  kind VARCHAR(40) NOT NULL,
  data JSONB NOT NULL,
  raised_at TIMESTAMP WITH TIME ZONE NOT NULL,
  settled_at TIMESTAMP WITH TIME ZONE,
  settled_by UUID,
  settlement VARCHAR NOT NULL,
  CONSTRAINT review_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT review_work_order_id_fkey FOREIGN KEY(tenant_id, work_order_id) REFERENCES work_order (tenant_id, id),
  CONSTRAINT review_visit_id_fkey FOREIGN KEY(tenant_id, visit_id) REFERENCES visit (tenant_id, id)
);

CREATE INDEX review_open_idx ON review (tenant_id, settled_at, raised_at);

CREATE TABLE signature (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  visit_id UUID NOT NULL,
  item VARCHAR(64) NOT NULL,
  photo_id UUID,
  name VARCHAR NOT NULL,
  declined_reason VARCHAR,
  signed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT signature_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT signature_work_order_id_visit_id_fkey FOREIGN KEY(tenant_id, work_order_id, visit_id) REFERENCES visit (tenant_id, work_order_id, id),
  CONSTRAINT signature_photo_id_fkey FOREIGN KEY(tenant_id, photo_id) REFERENCES photo (tenant_id, id),
  CONSTRAINT signature_either_check CHECK ((photo_id is not null) <> (declined_reason is not null))
);

CREATE INDEX signature_work_order_idx ON signature (tenant_id, work_order_id);

CREATE TABLE closure_photo (
  tenant_id UUID NOT NULL,
  closure_id UUID NOT NULL,
  photo_id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  sha256 BYTEA NOT NULL,
  CONSTRAINT closure_photo_pkey PRIMARY KEY (tenant_id, closure_id, photo_id),
  CONSTRAINT closure_photo_closure_id_fkey FOREIGN KEY(tenant_id, closure_id) REFERENCES work_order_closure (tenant_id, id),
  CONSTRAINT closure_photo_verified_fkey FOREIGN KEY(tenant_id, work_order_id, photo_id, sha256) REFERENCES photo (tenant_id, work_order_id, id, verified_sha256)
);

CREATE INDEX closure_photo_photo_idx ON closure_photo (tenant_id, photo_id);

ALTER TABLE work_order ADD CONSTRAINT work_order_closure_fkey FOREIGN KEY(tenant_id, id, closure_id, facts_rev, rules_sha256) REFERENCES work_order_closure (tenant_id, work_order_id, id, facts_rev, rules_sha256);

-- the job queue, without its notify trigger: workers poll

-- pgqueuer 1.6.0 -- prefix='' schema=None durability=durable

CREATE TYPE pgqueuer_status AS ENUM ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');

CREATE TABLE pgqueuer (
    id bigserial NOT NULL PRIMARY KEY,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    execute_after timestamp with time zone NOT NULL DEFAULT now(),
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer NOT NULL DEFAULT 0,
    slot bigint
);

CREATE TABLE pgqueuer_log (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT now(),
    job_id bigint NOT NULL,
    status pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

CREATE TABLE pgqueuer_schedules (
    id bigserial NOT NULL PRIMARY KEY,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    next_run timestamp with time zone NOT NULL DEFAULT now(),
    last_run timestamp with time zone,
    status pgqueuer_status DEFAULT 'queued'::pgqueuer_status,
    UNIQUE (expression, entrypoint)
);

CREATE TABLE pgqueuer_statistics (
    id bigserial NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT date_trunc('sec'::text, now()),
    count bigint NOT NULL,
    priority integer NOT NULL,
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE INDEX pgqueuer_ep_ea_idx ON pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_log_status ON pgqueuer_log USING btree (status);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_priority_id_id1_idx ON pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_queue_manager_id_idx ON pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX pgqueuer_updated_id_id1_idx ON pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::pgqueuer_status);
