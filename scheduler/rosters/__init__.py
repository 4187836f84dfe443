"""Who works when, for weeks ahead: demand, rules, rosters, their publication as shifts."""
