-- `invoice_waiting` is in its place.

DROP INDEX invoice_due;
