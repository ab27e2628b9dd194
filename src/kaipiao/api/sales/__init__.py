"""/v1/invoices: sales that come in, one or many, now or later, and what became of them."""
