-- The ledger's indexes. Partial ones stay small: most invoices are confirmed.

CREATE UNIQUE INDEX number_segment_open ON number_segment (taxpayer, channel, year) WHERE filled_at IS NULL;

CREATE INDEX number_block_place ON number_block (taxpayer, channel, year);

CREATE INDEX number_block_open ON number_block (taxpayer, channel, year, id) WHERE used IS NULL;

CREATE UNIQUE INDEX quota_request_open ON quota_request (taxpayer, channel, month, kind) WHERE amount IS NULL;

CREATE INDEX invoice_made ON invoice (taxpayer, made_at);

CREATE INDEX invoice_upload ON invoice (taxpayer, channel, deadline, id) WHERE state = 'issued';

CREATE INDEX invoice_due ON invoice (state, next_at, id) WHERE next_at IS NOT NULL AND state <> 'issued';

CREATE INDEX invoice_open ON invoice (state, taxpayer, made_at) WHERE state <> 'confirmed';

CREATE INDEX upload_open ON upload (node) WHERE ended_at IS NULL;

CREATE INDEX attempt_invoice ON attempt (taxpayer, invoice);

CREATE INDEX event_position ON event (position);

CREATE INDEX event_taxpayer ON event (taxpayer, position) WHERE taxpayer IS NOT NULL;

CREATE INDEX event_invoice ON event (taxpayer, invoice) WHERE invoice IS NOT NULL;

CREATE INDEX event_subject ON event (taxpayer, left(subject, 200)) WHERE invoice IS NULL AND subject IS NOT NULL;
