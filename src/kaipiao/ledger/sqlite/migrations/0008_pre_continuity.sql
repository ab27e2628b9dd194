-- What the nodes work out together from the trail (modes, budgets), and how busy each hour was (cover).

CREATE TABLE checkpoint (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL, -- + 1 with every change: who changes it names the one that it read
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE hour_total (
    taxpayer TEXT NOT NULL,
    hour INTEGER NOT NULL, -- its first instant; counted from `invoice` once it is over
    invoices INTEGER NOT NULL,
    quota INTEGER NOT NULL,
    PRIMARY KEY (taxpayer, hour)
) STRICT, WITHOUT ROWID;
