-- The ledger's indexes. Partial ones stay small: most invoices are confirmed.

CREATE UNIQUE INDEX number_segment_open ON number_segment (taxpayer, channel, year) WHERE filled_at IS NULL;

CREATE INDEX number_block_place ON number_block (taxpayer, channel, year);

CREATE UNIQUE INDEX quota_entry_serial ON quota_entry (taxpayer, serial) WHERE serial IS NOT NULL;

CREATE UNIQUE INDEX quota_entry_open ON quota_entry (taxpayer, channel, month, kind) WHERE amount IS NULL;

CREATE INDEX invoice_taxpayer ON invoice (taxpayer, id);

CREATE INDEX invoice_made ON invoice (taxpayer, made_at);

CREATE INDEX invoice_upload ON invoice (taxpayer, channel, deadline, id, next_at, alone) WHERE state = 'issued';

CREATE INDEX invoice_due ON invoice (state, next_at) WHERE next_at IS NOT NULL AND state <> 'issued';

CREATE INDEX invoice_open ON invoice (state, taxpayer, made_at) WHERE state <> 'confirmed';

CREATE INDEX upload_open ON upload (node) WHERE ended_at IS NULL;

CREATE INDEX attempt_invoice ON attempt (taxpayer, invoice);

CREATE INDEX event_taxpayer ON event (taxpayer) WHERE taxpayer IS NOT NULL;

CREATE INDEX event_invoice ON event (invoice) WHERE invoice IS NOT NULL;

CREATE INDEX event_subject ON event (taxpayer, subject) WHERE invoice IS NULL AND subject IS NOT NULL;
