-- What the nodes work out together from the trail (modes, budgets), and how busy each hour was (cover).

CREATE TABLE checkpoint (
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL, -- + 1 with every change: who changes it names the one that it read
    content text NOT NULL,
    PRIMARY KEY (name)
) WITH (fillfactor = 20);

CREATE TABLE hour_total (
    taxpayer text COLLATE "C" NOT NULL,
    hour bigint NOT NULL, -- its first instant; counted from `invoice` once it is over
    invoices bigint NOT NULL,
    quota bigint NOT NULL,
    PRIMARY KEY (taxpayer, hour)
);
