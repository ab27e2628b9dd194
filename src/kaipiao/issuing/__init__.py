"""From request to confirmed: admit, number, seal, store, upload, settle, confirm. Rules R1–R7 of issuing."""
