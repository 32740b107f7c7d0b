use super::*;

const MOST: usize = 1_000;

fn check(dialect: &str, tables: &[&str]) -> StatementCheck {
    let tables: Vec<_> = tables.iter().map(|table| (*table).to_owned()).collect();
    StatementCheck::new(Dialect::named(dialect).unwrap()).tables(&tables)
}

fn why(check: &StatementCheck, text: &str) -> Option<String> {
    check.check(text, MOST).err().map(|fault| fault.why)
}

#[test]
fn one_statement_that_reads_allowed_tables_is_accepted() {
    let check = check("postgresql", &["orders", "sales.*"]);
    for right in [
        "SELECT 1",
        "select * from orders",
        "SELECT * FROM ORDERS;",
        "SELECT * FROM \"orders\" o WHERE o.id = 'it''s; --'",
        "SELECT count(*), lower(name) FROM sales.items GROUP BY 2 HAVING count(*) > 1 ORDER BY 1 LIMIT 5",
        "SELECT * FROM orders a JOIN sales.items b USING (id) LEFT JOIN LATERAL (SELECT 1) c ON true",
        "WITH recent AS (SELECT * FROM orders) SELECT * FROM recent",
        "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT * FROM n, orders",
        "WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b",
        "SELECT * FROM orders UNION SELECT * FROM sales.items EXCEPT SELECT 1",
        "SELECT * FROM orders WHERE id IN (SELECT id FROM sales.items)",
        "SELECT generate_series FROM generate_series(1, 3)",
        "VALUES (1), (2)",
        "EXPLAIN SELECT * FROM orders",
        "SELECT 'a'::text || E'x', $$text$$, interval '1 day', now()",
    ] {
        assert_eq!(why(&check, right), None, "{right}");
    }
}

#[test]
fn what_does_more_than_to_read_is_refused() {
    let check = check("postgresql", &["orders"]);
    for wrong in [
        "",
        ";",
        "SELEC 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE orders",
        "INSERT INTO orders VALUES (1)",
        "UPDATE orders SET a = 1",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "DROP TABLE orders",
        "CREATE TABLE x AS SELECT * FROM orders",
        "MERGE INTO orders USING orders o ON true WHEN MATCHED THEN DELETE",
        "SELECT * INTO copy FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
        "WITH new AS (INSERT INTO orders VALUES (1) RETURNING *) SELECT * FROM new",
        "WITH changed AS (UPDATE orders SET a = 1 RETURNING *) SELECT 1",
        "SELECT * FROM (WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone) x",
        "SELECT * FROM orders FOR UPDATE",
        "SELECT * FROM orders FOR SHARE",
        "EXPLAIN ANALYZE SELECT * FROM orders",
        "EXPLAIN (ANALYZE) SELECT * FROM orders",
        "EXPLAIN (ANALYZE false) SELECT * FROM orders",
        "EXPLAIN DELETE FROM orders",
        "COPY orders TO PROGRAM 'id'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SET ROLE postgres",
        "SET default_transaction_read_only = off",
        "BEGIN",
        "CALL f()",
        "DO $$ BEGIN END $$",
        "EXECUTE plan",
        "PREPARE p AS SELECT 1",
        "LISTEN x",
        "VACUUM",
        "SHOW ALL",
        "TABLE orders",
        "PRAGMA journal_mode = OFF",
        "ATTACH DATABASE 'x' AS y",
        "LOAD 'x'",
        "SELECT pg_sleep(10)",
        "SELECT PG_READ_FILE('/etc/passwd')",
        "SELECT pg_catalog.pg_read_file('/etc/passwd')",
        "SELECT \"pg_read_file\"('/etc/passwd')",
        "SELECT * FROM pg_read_file('/etc/passwd')",
        "SELECT * FROM dblink('host=evil', 'SELECT 1') AS t(a int)",
        "SELECT * FROM orders WHERE id = (SELECT nextval('s'))",
        "SELECT query_to_xml('SELECT * FROM secrets', true, true, '')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT set_config('a', 'b', false)",
        "SELECT * FROM \"public.orders\"",
        "SELECT 1 -- comment",
        "SELECT 1 /* comment */",
        "SELECT /* /* */ 1 */",
        "SELECT '\\' UNION SELECT * FROM secrets -- '",
        "SELECT 1\0",
        "SELECT 1\u{1}",
    ] {
        assert!(why(&check, wrong).is_some(), "{wrong}");
    }
}

#[test]
fn a_table_that_is_not_allowed_is_refused_wherever_it_stands() {
    let check = check("postgresql", &["orders"]);
    for wrong in [
        "SELECT * FROM secrets",
        "SELECT * FROM orders, secrets",
        "SELECT * FROM orders JOIN secrets ON true",
        "SELECT * FROM public.orders",
        "SELECT * FROM db.public.orders",
        "SELECT * FROM \"ORDERS\"",
        "SELECT * FROM ONLY secrets",
        "SELECT (SELECT x FROM secrets)",
        "SELECT * FROM orders WHERE EXISTS (SELECT 1 FROM secrets)",
        "SELECT * FROM orders ORDER BY (SELECT x FROM secrets)",
        "SELECT * FROM orders LIMIT (SELECT x FROM secrets)",
        "SELECT CASE WHEN (SELECT true FROM secrets) THEN 1 END",
        "SELECT count(*) FILTER (WHERE (SELECT true FROM secrets)) FROM orders",
        "SELECT sum(1) OVER (ORDER BY (SELECT x FROM secrets)) FROM orders",
        "SELECT array(SELECT x FROM secrets)",
        "SELECT * FROM orders GROUP BY (SELECT x FROM secrets)",
        "SELECT * FROM (SELECT * FROM secrets) s",
        "SELECT * FROM (orders JOIN secrets ON true)",
        "SELECT 1 UNION ALL SELECT x FROM secrets",
        "VALUES ((SELECT x FROM secrets))",
        "SELECT * FROM pg_catalog.pg_shadow",
        "SELECT * FROM information_schema.tables",
        // A name of a WITH is one only where it can be used.
        "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
        "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
        "SELECT * FROM (WITH secrets AS (SELECT 1) SELECT * FROM secrets) x, secrets",
        "WITH a AS (WITH secrets AS (SELECT 1) SELECT 1) SELECT * FROM secrets",
        "WITH secrets AS (SELECT 1) SELECT * FROM public.secrets",
        "WITH \"SECRETS\" AS (SELECT 1) SELECT * FROM secrets",
        "WITH RECURSIVE a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
    ] {
        assert_eq!(why(&check, wrong).as_deref(), Some("it reads a table that is not allowed"), "{wrong}");
    }
}

#[test]
fn dialects_have_their_own_ways_out() {
    for (dialect, wrong) in [
        ("mysql", "SELECT 1 /*! UNION SELECT * FROM secrets */"),
        ("mysql", "SELECT 1 /*!50000 UNION SELECT * FROM secrets */"),
        ("mysql", "SELECT 1 /*M! UNION SELECT * FROM secrets */"),
        ("mysql", "SELECT 1 # comment"),
        ("mysql", "SELECT * FROM ORDERS"),
        ("mysql", "WITH X AS (SELECT 1) SELECT * FROM x"),
        ("mysql", "SELECT load_file('/etc/passwd')"),
        ("mysql", "SELECT * FROM orders INTO OUTFILE '/tmp/x'"),
        ("mysql", "SELECT * INTO OUTFILE '/tmp/x' FROM orders"),
        ("mysql", "SELECT * INTO DUMPFILE '/tmp/x' FROM orders"),
        ("mysql", "SELECT benchmark(1000000, md5('x'))"),
        ("mysql", "SELECT sleep(10)"),
        ("mysql", "SELECT '\\'' UNION SELECT * FROM secrets -- x"),
        ("mysql", "HANDLER secrets OPEN"),
        ("mysql", "SELECT * FROM `secrets`"),
        ("mysql", "SELECT * FROM orders LOCK IN SHARE MODE"),
        ("sqlite", "PRAGMA writable_schema = 1"),
        ("sqlite", "ATTACH DATABASE '/tmp/x' AS y"),
        ("sqlite", "SELECT load_extension('x')"),
        ("sqlite", "SELECT writefile('x', 'y')"),
        ("sqlite", "SELECT 1 WHERE 1 IN secrets"),
        ("sqlite", "SELECT * FROM [secrets]"),
        ("sqlite", "REPLACE INTO orders VALUES (1)"),
        ("mssql", "SELECT * INTO x FROM orders"),
        ("mssql", "EXEC xp_cmdshell 'id'"),
        ("mssql", "SELECT 1; EXEC xp_cmdshell 'id'"),
        ("mssql", "SELECT 1 EXEC xp_cmdshell 'id'"),
        ("mssql", "SELECT * FROM OPENROWSET('a', 'b', 'c')"),
        ("mssql", "SELECT * FROM [secrets]"),
        ("mssql", "WAITFOR DELAY '0:0:5'"),
        ("duckdb", "SELECT * FROM 'secrets.csv'"),
        ("duckdb", "SELECT * FROM \"/etc/passwd\""),
        ("duckdb", "SELECT * FROM read_csv('/etc/passwd')"),
        ("duckdb", "FROM secrets"),
        ("duckdb", "COPY orders TO 'x'"),
        ("duckdb", "INSTALL httpfs"),
        ("clickhouse", "SELECT * FROM url('http://evil', CSV)"),
        ("clickhouse", "SELECT * FROM file('/etc/passwd')"),
        ("clickhouse", "SELECT * FROM orders SETTINGS readonly = 0"),
        ("bigquery", "FROM orders |> CALL f()"),
        ("bigquery", "SELECT * FROM `project.secrets`"),
        ("snowflake", "SELECT * FROM @stage/file"),
        ("snowflake", "SELECT SYSTEM$CANCEL_QUERY('x')"),
    ] {
        assert!(why(&check(dialect, &["orders"]), wrong).is_some(), "{dialect}: {wrong}");
    }
    for (dialect, right) in [
        ("mysql", "SELECT `id`, \"text\" FROM `orders` WHERE a = 1--1 LIMIT 2, 3"),
        ("sqlite", "SELECT * FROM [Orders] WHERE name GLOB 'a*'"),
        ("mssql", "SELECT TOP 5 * FROM [orders] WITH (NOLOCK)"),
        ("snowflake", "SELECT * FROM orders"),
        ("oracle", "SELECT * FROM orders"),
        ("duckdb", "FROM orders"),
        ("bigquery", "SELECT * FROM `orders`"),
    ] {
        assert_eq!(why(&check(dialect, &["orders"]), right), None, "{dialect}: {right}");
    }
}

#[test]
fn functions_can_be_named() {
    let check = check("postgresql", &["orders"]).functions(&["count".to_owned(), "util.f".to_owned()]);
    for (text, is_right) in [
        ("SELECT COUNT(*), util.f(1) FROM orders", true),
        ("SELECT lower('x')", false),
        ("SELECT f(1)", false),
        ("SELECT other.count(1)", false),
        ("SELECT * FROM generate_series(1, 2)", false),
    ] {
        assert_eq!(why(&check, text).is_none(), is_right, "{text}");
    }
}

#[test]
fn a_statement_has_a_size_and_a_depth() {
    let check = check("postgresql", &["orders"]);
    let long = format!("SELECT 1{}", "+1".repeat(MOST));
    assert_eq!(check.check(&long, MOST).unwrap_err().limit, Some("guard_sql_tokens"));
    // As long and as deep as can be.
    let most = (MOST - 2) / 2;
    let chains = [
        format!("SELECT 1{}", "+1".repeat(most)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(MOST / 4)),
        format!("SELECT a{}", " IS NULL".repeat(most)),
        format!("SELECT a{}", "[1]".repeat(MOST / 4)),
        format!("SELECT a{}", "::int".repeat(MOST / 3)),
        format!("SELECT {}1", "- ".repeat(MOST - 4)),
        format!("SELECT {}1", "NOT ".repeat(MOST - 4)),
        format!("SELECT {}1{}", "(".repeat(most - 2), ")".repeat(most - 2)),
        format!("SELECT {}1{}", "(SELECT ".repeat(MOST / 4), ")".repeat(MOST / 4)),
        format!("{}SELECT 1{}", "(".repeat(most - 2), ")".repeat(most - 2)),
        format!("SELECT * FROM {}orders{}", "(".repeat(most - 4), ")".repeat(most - 4)),
        format!("SELECT {}1", "CASE WHEN ".repeat(MOST / 3)),
        format!("SELECT {}", "f(".repeat(MOST / 3)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(MOST - 4)),
        format!("SELECT a{}", "->'b'".repeat(MOST / 3)),
        format!("SELECT a{}", " AND b".repeat(most)),
        format!("SELECT a{}", " BETWEEN b AND c".repeat(MOST / 5)),
        format!("SELECT a{}", " COLLATE b".repeat(most)),
    ];
    for chain in chains {
        let check = StatementCheck::new(Dialect::named("postgresql").unwrap());
        // It ends, whatever it says.
        let _ = check.check(&chain, MOST);
    }
}

#[test]
fn a_name_with_escapes_is_refused() {
    for dialect in ["postgresql", "redshift"] {
        for (text, is_right) in [
            ("SELECT u & 1, 'U&\"a\"' FROM orders", true),
            ("SELECT u & \"a\" FROM orders", true),
            ("SELECT U&\"query_to_x\\006dl\"('select 1', true, true, '')", false),
            ("SELECT u&\"lower\"('A')", false),
            ("SELECT 1u&\"a\" FROM orders", false),
            ("SELECT * FROM U&\"orders\"", false),
            ("SELECT * FROM orders AS U&\"x\"", false),
            ("SELECT U&\"dblin!006b_exec\" UESCAPE '!' ('x')", false),
            ("SELECT \"a\\b\" FROM orders", false),
        ] {
            assert_eq!(why(&check(dialect, &["orders"]), text).is_none(), is_right, "{dialect}: {text}");
        }
    }
}

#[test]
fn an_alias_of_sql_server_has_its_as() {
    for (text, is_right) in [
        ("SELECT a AS b, c = 1 FROM orders AS o WHERE o.a = 1", true),
        ("SELECT a as [b] FROM (SELECT 1 AS a) AS x ORDER BY 1", true),
        ("WITH x AS (SELECT 1 AS a) SELECT * FROM x", true),
        ("SELECT CAST(a AS int) FROM [orders]", true),
        ("SELECT * FROM orders SHUTDOWN", false),
        ("SELECT * FROM orders AS o JOIN orders SHUTDOWN ON 1 = 1", false),
        ("SELECT * FROM (SELECT 1 AS a) REVERT", false),
        ("SELECT (SELECT 1 REVERT)", false),
        ("SELECT 1 REVERT", false),
        ("SELECT 1 AS a, 2 RECONFIGURE", false),
        ("SELECT CAST(a AS int) COMMIT FROM orders", false),
        ("SELECT 1 UNION SELECT 2 ROLLBACK", false),
        ("SELECT 1 AS a UNION ALL SELECT a FROM orders CHECKPOINT", false),
        ("SELECT * FROM orders\nSHUTDOWN WITH (NOWAIT)", false),
        ("SELECT * FROM orders [x]", false),
        ("SELECT 1 'x'", false),
    ] {
        assert_eq!(why(&check("mssql", &["orders"]), text).is_none(), is_right, "{text}");
    }
    assert_eq!(why(&check("postgresql", &["orders"]), "SELECT 1 a FROM orders o"), None);
}

#[test]
fn a_function_may_not_read_around_the_tables() {
    for (dialect, wrong) in [
        ("postgresql", "SELECT ts_rewrite('a'::tsquery, 'select t, s from secrets')"),
        ("postgresql", "SELECT pg_stat_statements_reset()"),
        ("postgresql", "SELECT anything(1)"),
        ("postgresql", "SELECT other.count(1)"),
        ("postgresql", "SELECT * FROM crosstab2('select 1')"),
        ("clickhouse", "SELECT joinGet('secrets', 'a', 1)"),
        ("clickhouse", "SELECT dictGet('secrets', 'a', 1)"),
        ("clickhouse", "SELECT 1 IN secrets"),
        ("clickhouse", "SELECT 1 NOT IN db.secrets"),
        ("clickhouse", "SELECT 1 IN (secrets)"),
        ("clickhouse", "SELECT 1 IN ((secrets))"),
        ("clickhouse", "SELECT in(1, secrets)"),
        ("clickhouse", "SELECT 1 IN secrets AND 1"),
        ("clickhouse", "SELECT 1 IN secrets = 1"),
        ("clickhouse", "SELECT 1 in\nsecrets + 1"),
        ("clickhouse", "SELECT 1 IN {t:Identifier}"),
        ("oracle", "SELECT dbms_xmlgen.getxml('select 1') FROM orders"),
        ("oracle", "SELECT utl_http.request('http://evil') FROM orders"),
        ("oracle", "SELECT httpuritype('http://evil').getclob() FROM orders"),
        ("oracle", "SELECT * FROM TABLE(f(1))"),
        ("snowflake", "SELECT * FROM TABLE('secrets')"),
        ("snowflake", "SELECT * FROM TABLE(secrets)"),
        ("snowflake", "SELECT * FROM TABLE(f(1))"),
        ("snowflake", "SELECT * FROM IDENTIFIER('secrets')"),
        ("hive", "SELECT reflect('java.lang.Runtime', 'getRuntime')"),
        ("databricks", "SELECT java_method('java.lang.System', 'exit', 1)"),
        ("databricks", "SELECT ai_query('x', 'y')"),
        ("databricks", "SELECT http_request('x')"),
        ("sqlite", "SELECT eval('DROP TABLE orders')"),
        ("mysql", "SELECT keyring_key_remove('x')"),
        ("mysql", "SELECT source_pos_wait('x', 1)"),
    ] {
        assert!(why(&check(dialect, &["orders"]), wrong).is_some(), "{dialect}: {wrong}");
    }
    for (dialect, right) in [
        (
            "clickhouse",
            "SELECT toDate(a), uniqExact(b) FROM orders WHERE a IN (1, 2) AND b IN (SELECT b FROM orders)",
        ),
        ("snowflake", "SELECT f.value FROM orders, TABLE(FLATTEN(orders.a)) f"),
        (
            "postgresql",
            "SELECT date_trunc('day', a), row_number() OVER (ORDER BY a), COALESCE(b, 0) FROM orders",
        ),
        ("mysql", "SELECT DATE_FORMAT(a, '%Y'), IFNULL(b, 0), GROUP_CONCAT(c) FROM orders"),
        ("mssql", "SELECT DATEDIFF(day, a, GETDATE()) AS d, ISNULL(b, 0) AS b FROM orders"),
    ] {
        assert_eq!(why(&check(dialect, &["orders"]), right), None, "{dialect}: {right}");
    }
    let named = check("postgresql", &["orders"]).functions(&["anything".to_owned(), "util.f".to_owned()]);
    assert_eq!(why(&named, "SELECT anything(1), util.f(1)"), None);
    // Without tables, those that are not known to act.
    let any = StatementCheck::new(Dialect::named("oracle").unwrap());
    for (text, is_right) in [
        ("SELECT anything(1) FROM orders", true),
        ("SELECT utl_http.request('http://evil') FROM orders", false),
        ("SELECT sys.dbms_xmlgen.getxml('select 1') FROM orders", false),
    ] {
        assert_eq!(why(&any, text).is_none(), is_right, "{text}");
    }
}
