-- Nobody who does not count is connected any more. A node that starts at this moment waits: what it stores between the two
-- statements would be counted twice.

LOCK TABLE invoice, state_count IN SHARE ROW EXCLUSIVE MODE;

SET LOCAL enable_seqscan = on;

-- lint: all taxpayers: counts of everybody are made anew
DELETE FROM state_count;

INSERT INTO state_count (taxpayer, writer, state, count)
SELECT taxpayer, '', state, count(*) FROM invoice GROUP BY taxpayer, state;
