"""What customers rely on: assets with models, identifiers, passports, meters, failures, outages."""
