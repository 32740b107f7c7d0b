//! Functions that do more than to compute: they read files, wait, change settings or data, or reach other servers.

/// Whether a function may not be called where neither functions nor tables are named. The parts of its name are in lower case: that of
/// its schema or package counts as well.
pub(super) fn is_known_to_act(parts: &[&str]) -> bool {
    let acts = |part: &&str| ACTING.contains(part) || PREFIXES.iter().any(|prefix| part.starts_with(prefix));
    parts.iter().any(acts)
}

/// Whether a function makes rows of its arguments alone.
pub(super) fn makes_rows(name: &str) -> bool {
    ROWS.contains(&name)
}

const ROWS: [&str; 18] = [
    "flatten",
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_table",
    "json_tree",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "openjson",
    "regexp_split_to_table",
    "string_split",
    "string_to_table",
    "unnest",
];

const ACTING: [&str; 84] = [
    // PostgreSQL
    "current_logfile",
    "currval",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "inet_server_addr",
    "lastval",
    "nextval",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "set_config",
    "setval",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_stat",
    "txid_current",
    "crosstab",
    "connectby",
    "http",
    "http_get",
    "http_post",
    // MySQL
    "benchmark",
    "get_lock",
    "load_file",
    "master_pos_wait",
    "release_all_locks",
    "release_lock",
    "sleep",
    "sys_eval",
    "sys_exec",
    "extractvalue",
    "updatexml",
    // SQLite
    "edit",
    "fts3_tokenizer",
    "load_extension",
    "readfile",
    "writefile",
    // SQL Server
    "opendatasource",
    "openquery",
    "openrowset",
    "openxml",
    // DuckDB, ClickHouse, Snowflake and others
    "cluster",
    "executable",
    "file",
    "getenv",
    "glob",
    "hdfs",
    "iceberg_scan",
    "jdbc",
    "numbers_mt",
    "odbc",
    "parquet_scan",
    "result_scan",
    "url",
    "sniff_csv",
    "ai_query",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "crosstabn",
    "eval",
    "getxml",
    "http_delete",
    "http_put",
    "http_request",
    "httpuritype",
    "java_method",
    "joinget",
    "keyring_key_generate",
    "keyring_key_remove",
    "keyring_key_store",
    "query",
    "query_table",
    "reflect",
    "reflect2",
    "source_pos_wait",
    "ts_rewrite",
];

const PREFIXES: [&str; 33] = [
    "dbms_",
    "pg_stat_statements",
    "utl_",
    "dictget",
    "pg_advisory",
    "pg_backup",
    "pg_cancel",
    "pg_create",
    "pg_current_logfile",
    "pg_drop",
    "pg_export",
    "pg_file",
    "pg_log",
    "pg_ls_",
    "pg_notify",
    "pg_promote",
    "pg_read_",
    "pg_reload",
    "pg_replication",
    "pg_rotate",
    "pg_sleep",
    "pg_stat_file",
    "pg_stat_reset",
    "pg_switch",
    "pg_terminate",
    "pg_try_advisory",
    "pg_wal",
    "dblink",
    "lo_",
    "read_",
    "remote",
    "xp_",
    "system$",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_act_are_known() {
        for name in [
            "pg_sleep_for",
            "lo_import",
            "dblink_exec",
            "load_file",
            "read_csv_auto",
            "xp_cmdshell",
            "nextval",
        ] {
            assert!(is_known_to_act(&[name]), "{name}");
        }
        for name in ["count", "lower", "log", "pg_typeof", "reverse", "length"] {
            assert!(!is_known_to_act(&[name]), "{name}");
        }
        assert!(is_known_to_act(&["utl_http", "request"]) && is_known_to_act(&["sys", "dbms_xmlgen", "f"]));
    }
}
