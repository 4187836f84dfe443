create table roster_pattern (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  code varchar(60) not null,
  name varchar not null,
  starts_min integer not null,
  ends_min integer not null,
  break_s integer not null,
  break_earliest_min integer not null,
  break_latest_min integer not null,
  weekdays jsonb not null,
  is_undesired boolean not null,
  is_active boolean not null,
  constraint roster_pattern_pkey primary key (tenant_id, id),
  constraint roster_pattern_code_key unique (tenant_id, code),
  constraint roster_pattern_hours_check
    check (starts_min >= 0 and starts_min < 1440 and ends_min > starts_min
      and ends_min - starts_min <= 1380),
  constraint roster_pattern_break_check
    check (break_s >= 0 and break_latest_min >= break_earliest_min)
);
create table roster_rules (
  tenant_id uuid not null,
  version integer not null,
  effective_on date not null,
  body jsonb not null,
  set_by varchar not null,
  set_at timestamp with time zone not null,
  constraint roster_rules_pkey primary key (tenant_id, version)
);
create index roster_rules_effective_idx on roster_rules (tenant_id, effective_on);
create table roster_terms (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  week_s integer not null,
  share_percent integer not null,
  patterns jsonb,
  constraint roster_terms_pkey primary key (tenant_id, id),
  constraint roster_terms_id_fkey foreign key (tenant_id, id) references technician (tenant_id, id),
  constraint roster_terms_week_check check (week_s >= 0 and week_s <= 604800),
  constraint roster_terms_share_check check (share_percent between 1 and 100)
);
create table roster_wish (
  tenant_id uuid not null,
  id uuid not null,
  technician_id uuid not null,
  wished_on date not null,
  kind varchar(10) not null,
  pattern_id uuid,
  weight integer not null,
  constraint roster_wish_pkey primary key (tenant_id, id),
  constraint roster_wish_technician_id_fkey foreign key (tenant_id, technician_id)
    references technician (tenant_id, id),
  constraint roster_wish_pattern_id_fkey foreign key (tenant_id, pattern_id)
    references roster_pattern (tenant_id, id),
  constraint roster_wish_kind_word_check check (kind in ('off', 'avoid', 'want')),
  constraint roster_wish_pattern_check check ((kind = 'off') = (pattern_id is null)),
  constraint roster_wish_weight_check check (weight between 1 and 5)
);
create index roster_wish_on_idx on roster_wish (tenant_id, wished_on);
create unique index roster_wish_once_idx
  on roster_wish (tenant_id, technician_id, wished_on, kind, coalesce(pattern_id, technician_id));
create table roster_demand (
  tenant_id uuid not null,
  wanted_on date not null,
  hour integer not null,
  skill varchar(60) not null,
  level integer not null,
  minutes integer not null,
  constraint roster_demand_pkey primary key (tenant_id, wanted_on, hour, skill, level),
  constraint roster_demand_hour_check check (hour between 0 and 23),
  constraint roster_demand_minutes_check check (minutes >= 0),
  constraint roster_demand_level_check check (level between 0 and 5 and (skill = '') = (level = 0))
);
create table roster_run (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  status varchar(10) not null,
  starts_on date not null,
  weeks integer not null,
  seconds double precision not null,
  rounds integer,
  seed bigint not null,
  inputs bytea,
  inputs_sha256 varchar(64),
  versions jsonb not null,
  lead jsonb not null,
  result jsonb,
  failure varchar,
  requested_by varchar not null,
  requested_at timestamp with time zone not null,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  published_at timestamp with time zone,
  published_by varchar,
  constraint roster_run_pkey primary key (tenant_id, id),
  constraint roster_run_status_word_check
    check (status in ('queued', 'solving', 'ready', 'failed', 'published', 'replaced', 'withdrawn')),
  constraint roster_run_weeks_check check (weeks between 2 and 8)
);
create index roster_run_starts_idx on roster_run (tenant_id, starts_on);
create table roster_duty (
  tenant_id uuid not null,
  roster_id uuid not null,
  technician_id uuid not null,
  worked_on date not null,
  pattern_id uuid,
  is_fixed boolean not null,
  is_weekend boolean not null,
  is_night boolean not null,
  is_undesired boolean not null,
  state varchar(10) not null,
  shift_id uuid,
  constraint roster_duty_pkey primary key (tenant_id, roster_id, technician_id, worked_on),
  constraint roster_duty_roster_id_fkey foreign key (tenant_id, roster_id)
    references roster_run (tenant_id, id),
  constraint roster_duty_technician_id_fkey foreign key (tenant_id, technician_id)
    references technician (tenant_id, id),
  constraint roster_duty_pattern_id_fkey foreign key (tenant_id, pattern_id)
    references roster_pattern (tenant_id, id),
  constraint roster_duty_state_word_check
    check (state in ('proposed', 'published', 'replaced', 'withdrawn')),
  constraint roster_duty_day_off_check check (pattern_id is not null or is_fixed)
);
create index roster_duty_state_idx on roster_duty (tenant_id, state, worked_on);
create index roster_duty_technician_idx on roster_duty (tenant_id, technician_id, worked_on)
