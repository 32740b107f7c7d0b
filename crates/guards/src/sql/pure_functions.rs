//! Functions that only compute, and tell nothing but of their arguments, the rows of a query, or the time.

/// Whether a function only computes, in every dialect that has it. `name` is in lower case.
pub(super) fn is_pure(name: &str) -> bool {
    NAMES.split_ascii_whitespace().any(|pure| pure == name)
}

const NAMES: &str = "
    abs acos add_months age all any any_value approx_count_distinct argmax argmin array array_agg array_append
    array_cat array_concat array_contains array_distinct array_join array_length array_lower array_position
    array_prepend array_remove array_replace array_size array_sort array_to_json array_to_string array_upper
    arrayfilter arrayjoin arraymap ascii asin atan atan2 avg avgif bit_and bit_length bit_or bit_xor bool_and
    bool_or btrim cardinality cbrt ceil ceiling char char_length character_length charindex choose chr
    coalesce collect_list collect_set concat concat_ws contains corr cos cot count count_big count_if countif
    covar_pop covar_samp cume_dist curdate current_date current_time current_timestamp curtime date date_add
    date_bin date_diff date_format date_from_parts date_part date_sub date_trunc dateadd datediff
    datefromparts datename datepart datetime datetrunc day dayname dayofmonth dayofweek dayofyear decode
    degrees dense_rank div element_at empty encode endswith eomonth every exists exp explode extract factorial
    field find_in_set first_value floor format format_date format_timestamp formatdatetime from_base64
    from_days from_unixtime gcd getdate getutcdate greatest group_concat grouparray grouparraydistinct
    grouping grouping_id groupuniqarray has hex hour if iff ifnull iif initcap instr isdate isnull isnumeric
    json_agg json_array json_array_length json_arrayagg json_build_array json_build_object json_contains
    json_extract json_extract_path json_extract_path_text json_extract_string json_group_array
    json_group_object json_keys json_length json_object json_object_agg json_objectagg json_query json_type
    json_typeof json_unquote json_valid json_value jsonb_agg jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_extract_path jsonb_extract_path_text jsonb_object_agg jsonb_object_keys
    jsonb_typeof julianday lag last_day last_value lcase lcm lead least left len length listagg ln localtime
    localtimestamp locate log log10 log2 lower lowerutf8 lpad ltrim make_date make_interval make_time
    make_timestamp makedate maketime map max max_by maxif md5 median microsecond mid min min_by minif minute
    mod mode month monthname months_between multiif named_struct notempty now nth_value ntile nullif nvl nvl2
    object_construct octet_length overlay parse_date parse_json parse_timestamp patindex percent_rank
    percentile_cont percentile_disc period_diff pg_typeof phraseto_tsquery pi plainto_tsquery position pow
    power printf quantile quantiles quarter quote_ident quote_literal quotename radians rand random rank
    regexp_contains regexp_count regexp_extract regexp_instr regexp_like regexp_matches regexp_replace
    regexp_substr regr_count regr_intercept regr_r2 regr_slope repeat replace reverse right round row
    row_number row_to_json rpad rtrim safe_cast safe_divide sec_to_time second sha1 sha2 sha256 sign
    similarity sin size sort_array soundex split split_part splitbychar sqrt square starts_with startswith
    stddev stddev_pop stddev_samp stdev stdevp str str_to_date strftime string_agg strpos struct stuff substr
    substring substring_index substringutf8 sum sumif switchoffset sysdate sysdatetime tan time time_to_sec
    timediff timestamp timestamp_diff timestamp_trunc timestampadd timestampdiff to_base64 to_char to_date
    to_days to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector to_varchar todate todatetime
    todatetimeoffset today todayofmonth todayofweek tofloat64 tohour toint32 toint64 tomonth tostartofday
    tostartofhour tostartofmonth tostartofweek tostartofyear tostring total touint32 touint64 toyear toyyyymm
    toyyyymmdd translate trim trunc truncate try_cast try_to_date try_to_number ts_headline ts_rank ts_rank_cd
    typeof ucase unicode uniq uniqexact unix_timestamp unixepoch upper upperutf8 utc_date utc_time
    utc_timestamp uuid var var_pop var_samp variance varp websearch_to_tsquery week weekday weekofyear
    width_bucket year yesterday
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::functions::is_known_to_act;

    #[test]
    fn a_pure_function_is_not_known_to_act() {
        let names: Vec<_> = NAMES.split_ascii_whitespace().collect();
        assert!(names.is_sorted() && names.len() > 300, "{}", names.len());
        for name in names {
            assert!(is_pure(name) && !is_known_to_act(&[name]), "{name}");
        }
        for name in ["", "f", "ts_rewrite", "joinget", "dictget", "in", "reflect", "query_to_xml", "eval"] {
            assert!(!is_pure(name), "{name}");
        }
    }
}
