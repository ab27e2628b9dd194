-- How many invoices stand in each state. A row is of one writer alone, so that no commit waits for another's; '' is the sum
-- of those before. While a program of before this migration still runs it does not count: 0006 counts again when it is gone.

CREATE TABLE state_count (
    taxpayer text COLLATE "C" NOT NULL,
    writer text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    count bigint NOT NULL, -- of one writer: may be below 0
    PRIMARY KEY (taxpayer, writer, state)
) WITH (fillfactor = 20);

SET LOCAL enable_seqscan = on;

-- lint: all taxpayers: counts of everybody are made
INSERT INTO state_count (taxpayer, writer, state, count)
SELECT taxpayer, '', state, count(*) FROM invoice GROUP BY taxpayer, state;
