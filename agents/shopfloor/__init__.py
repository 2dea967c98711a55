"""The digital twin of a plant: work centres, calendars, routings, schedule and costs. Pure."""
