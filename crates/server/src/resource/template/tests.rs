//! Invariant: A URI made by a template is read back by it, in linear time, and no value leads out of a
//! folder.

use proptest::prelude::*;

use super::{
    expand::{Given, Value, expand},
    *,
};

type Pairs = Vec<(String, String)>;

fn read(template: &str, uri: &str) -> Option<Pairs> {
    UriTemplate::parse(template).unwrap_or_else(|error| panic!("{template}: {error}")).read(uri)
}

fn pairs(values: &[(&str, &str)]) -> Pairs {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn check(template: &str, uri: &str, expected: &[(&str, &str)]) {
    assert_eq!(read(template, uri), Some(pairs(expected)), "{template} of {uri}");
}

/// The variables of RFC 6570 §3.2.
fn given() -> Given {
    let text = |text: &str| Value::Text(text.to_owned());
    let list = |items: &[&str]| Value::List(items.iter().map(|item| (*item).to_owned()).collect());
    let map = |pairs: &[(&str, &str)]| {
        Value::Map(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let all = [
        ("count", list(&["one", "two", "three"])),
        ("dom", list(&["example", "com"])),
        ("dub", text("me/too")),
        ("hello", text("Hello World!")),
        ("half", text("50%")),
        ("var", text("value")),
        ("who", text("fred")),
        ("base", text("http://example.com/home/")),
        ("path", text("/foo/bar")),
        ("list", list(&["red", "green", "blue"])),
        ("keys", map(&[("semi", ";"), ("dot", "."), ("comma", ",")])),
        ("v", text("6")),
        ("x", text("1024")),
        ("y", text("768")),
        ("empty", text("")),
        ("empty_keys", map(&[])),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What is to be read back of a template's variables, from what was given.
fn expected(template: &UriTemplate) -> Pairs {
    let given = given();
    let mut pairs = Pairs::new();
    for Variable { name, is_list } in template.variables() {
        match given.get(name) {
            None => {}
            Some(Value::Map(map)) if map.is_empty() => {}
            Some(Value::Text(text)) => pairs.push((name.to_owned(), text.clone())),
            Some(Value::List(items)) if is_list => {
                pairs.extend(items.iter().map(|item| (name.to_owned(), item.clone())));
            }
            // A list that is not exploded is a text with commas.
            Some(Value::List(items)) => pairs.push((name.to_owned(), items.join(","))),
            Some(Value::Map(map)) => {
                let texts: Vec<String> = map.iter().map(|(key, value)| format!("{key},{value}")).collect();
                pairs.push((name.to_owned(), texts.join(",")));
            }
        }
    }
    pairs
}

/// The examples of RFC 6570 §3.2, and what becomes of those that are not read back to what was given.
#[derive(Clone, Copy, Debug)]
enum Rfc {
    /// All values are read back.
    Back,
    /// Others are, that make the same URI.
    Same(&'static [(&'static str, &'static str)]),
    /// The template is refused.
    Refused,
    /// The URI is not read.
    Unread,
}

use Rfc::*;

#[rustfmt::skip]
const EXAMPLES: &[(&str, &str, Rfc)] = &[
    // §3.2.1
    ("{count}", "one,two,three", Back),
    ("{count*}", "one,two,three", Back),
    ("{/count}", "/one,two,three", Back),
    ("{/count*}", "/one/two/three", Back),
    ("{;count}", ";count=one,two,three", Back),
    ("{;count*}", ";count=one;count=two;count=three", Back),
    ("{?count}", "?count=one,two,three", Back),
    ("{?count*}", "?count=one&count=two&count=three", Back),
    ("{&count*}", "&count=one&count=two&count=three", Refused),
    // §3.2.2
    ("{var}", "value", Back),
    ("{hello}", "Hello%20World%21", Back),
    ("{half}", "50%25", Back),
    // Nothing is not read: `notes:///` is no note.
    ("O{empty}X", "OX", Unread),
    ("O{undef}X", "OX", Unread),
    ("{x,y}", "1024,768", Back),
    ("{x,hello,y}", "1024,Hello%20World%21,768", Back),
    ("?{x,empty}", "?1024,", Back),
    ("?{x,undef}", "?1024", Back),
    // Filled from the left.
    ("?{undef,y}", "?768", Same(&[("undef", "768")])),
    ("{var:3}", "val", Same(&[("var", "val")])),
    ("{var:30}", "value", Back),
    ("{list}", "red,green,blue", Back),
    ("{list*}", "red,green,blue", Back),
    ("{keys}", "semi,%3B,dot,.,comma,%2C", Back),
    // A map is read as a list of its pairs.
    ("{keys*}", "semi=%3B,dot=.,comma=%2C", Same(&[("keys", "semi=;"), ("keys", "dot=."), ("keys", "comma=,")])),
    // §3.2.3
    ("{+var}", "value", Back),
    ("{+hello}", "Hello%20World!", Back),
    ("{+half}", "50%25", Back),
    ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex", Unread),
    ("{+base}index", "http://example.com/home/index", Back),
    ("O{+empty}X", "OX", Unread),
    ("O{+undef}X", "OX", Unread),
    ("{+path}/here", "/foo/bar/here", Back),
    ("here?ref={+path}", "here?ref=/foo/bar", Back),
    ("up{+path}{var}/here", "up/foo/barvalue/here", Refused),
    ("{+x,hello,y}", "1024,Hello%20World!,768", Back),
    ("{+path,x}/here", "/foo/bar,1024/here", Back),
    ("{+path:6}/here", "/foo/b/here", Same(&[("path", "/foo/b")])),
    ("{+list}", "red,green,blue", Back),
    ("{+list*}", "red,green,blue", Refused),
    ("{+keys}", "semi,;,dot,.,comma,,", Back),
    ("{+keys*}", "semi=;,dot=.,comma=,", Refused),
    // §3.2.4
    ("{#var}", "#value", Back),
    ("{#hello}", "#Hello%20World!", Back),
    ("{#half}", "#50%25", Back),
    ("foo{#empty}", "foo#", Back),
    ("foo{#undef}", "foo", Back),
    ("{#x,hello,y}", "#1024,Hello%20World!,768", Back),
    ("{#path,x}/here", "#/foo/bar,1024/here", Back),
    ("{#path:6}/here", "#/foo/b/here", Same(&[("path", "/foo/b")])),
    ("{#list}", "#red,green,blue", Back),
    ("{#list*}", "#red,green,blue", Refused),
    ("{#keys}", "#semi,;,dot,.,comma,,", Back),
    ("{#keys*}", "#semi=;,dot=.,comma=,", Refused),
    // §3.2.5
    ("{.who}", ".fred", Back),
    ("{.who,who}", ".fred.fred", Refused),
    ("{.half,who}", ".50%25.fred", Back),
    ("www{.dom*}", "www.example.com", Back),
    ("X{.var}", "X.value", Back),
    ("X{.empty}", "X.", Back),
    ("X{.undef}", "X", Back),
    ("X{.var:3}", "X.val", Same(&[("var", "val")])),
    ("X{.list}", "X.red,green,blue", Back),
    ("X{.list*}", "X.red.green.blue", Back),
    ("X{.keys}", "X.semi,%3B,dot,.,comma,%2C", Back),
    // The dot inside a value looks like the one between them.
    ("X{.keys*}", "X.semi=%3B.dot=..comma=%2C", Unread),
    ("X{.empty_keys}", "X", Back),
    ("X{.empty_keys*}", "X", Back),
    // §3.2.6
    ("{/who}", "/fred", Back),
    ("{/who,who}", "/fred/fred", Refused),
    ("{/half,who}", "/50%25/fred", Back),
    // A `/` inside a segment is none.
    ("{/who,dub}", "/fred/me%2Ftoo", Unread),
    ("{/var}", "/value", Back),
    ("{/var,empty}", "/value/", Back),
    ("{/var,undef}", "/value", Back),
    ("{/var,x}/here", "/value/1024/here", Back),
    ("{/var:1,var}", "/v/value", Back),
    ("{/list}", "/red,green,blue", Back),
    ("{/list*}", "/red/green/blue", Back),
    ("{/list*,path:4}", "/red/green/blue/%2Ffoo", Refused),
    ("{/keys}", "/semi,%3B,dot,.,comma,%2C", Back),
    ("{/keys*}", "/semi=%3B/dot=./comma=%2C", Same(&[("keys", "semi=;"), ("keys", "dot=."), ("keys", "comma=,")])),
    // §3.2.7
    ("{;who}", ";who=fred", Back),
    ("{;half}", ";half=50%25", Back),
    ("{;empty}", ";empty", Back),
    ("{;v,empty,who}", ";v=6;empty;who=fred", Back),
    ("{;v,bar,who}", ";v=6;who=fred", Back),
    ("{;x,y}", ";x=1024;y=768", Back),
    ("{;x,y,empty}", ";x=1024;y=768;empty", Back),
    ("{;x,y,undef}", ";x=1024;y=768", Back),
    ("{;hello:5}", ";hello=Hello", Same(&[("hello", "Hello")])),
    ("{;list}", ";list=red,green,blue", Back),
    ("{;list*}", ";list=red;list=green;list=blue", Back),
    ("{;keys}", ";keys=semi,%3B,dot,.,comma,%2C", Back),
    // The names of a map's parameters are not in the template.
    ("{;keys*}", ";semi=%3B;dot=.;comma=%2C", Unread),
    // §3.2.8
    ("{?who}", "?who=fred", Back),
    ("{?half}", "?half=50%25", Back),
    ("{?x,y}", "?x=1024&y=768", Back),
    ("{?x,y,empty}", "?x=1024&y=768&empty=", Back),
    ("{?x,y,undef}", "?x=1024&y=768", Back),
    ("{?var:3}", "?var=val", Same(&[("var", "val")])),
    ("{?list}", "?list=red,green,blue", Back),
    ("{?list*}", "?list=red&list=green&list=blue", Back),
    ("{?keys}", "?keys=semi,%3B,dot,.,comma,%2C", Back),
    ("{?keys*}", "?semi=%3B&dot=.&comma=%2C", Unread),
    // §3.2.9: alone, without the `?` that comes before it, it is refused.
    ("{&who}", "&who=fred", Refused),
    ("?fixed=yes{&x}", "?fixed=yes&x=1024", Back),
    ("?fixed=yes{&half}", "?fixed=yes&half=50%25", Back),
    ("?fixed=yes{&x,y,empty}", "?fixed=yes&x=1024&y=768&empty=", Back),
    ("?fixed=yes{&x,y,undef}", "?fixed=yes&x=1024&y=768", Back),
    ("?fixed=yes{&var:3}", "?fixed=yes&var=val", Same(&[("var", "val")])),
    ("?fixed=yes{&list*}", "?fixed=yes&list=red&list=green&list=blue", Back),
    ("?fixed=yes{&keys*}", "?fixed=yes&semi=%3B&dot=.&comma=%2C", Unread),
];

#[test]
fn the_examples_of_rfc_6570_are_read_back() {
    for (template, uri, rfc) in EXAMPLES {
        assert_eq!(expand(template, &given()).as_deref(), Some(*uri), "{template}");
        let parsed = UriTemplate::parse(template);
        match (rfc, &parsed) {
            (Refused, Err(_)) => {}
            (Back, Ok(parsed)) => assert_eq!(parsed.read(uri), Some(expected(parsed)), "{template}"),
            (Same(values), Ok(parsed)) => assert_eq!(parsed.read(uri), Some(pairs(values)), "{template}"),
            (Unread, Ok(parsed)) => assert_eq!(parsed.read(uri), None, "{template}"),
            _ => panic!("{template}: {rfc:?}, {parsed:?}"),
        }
    }
}

#[test]
fn variables_are_read_back() {
    check("test://template/{id}/data", "test://template/123/data", &[("id", "123")]);
    check("docs:///{+path}", "docs:///a/b%20c.md#part", &[("path", "a/b c.md#part")]);
    check("x:{a}-{b}", "x:1-2-3", &[("a", "1-2"), ("b", "3")]);
    check("x:{+p}/x/{v}", "x:a/x/b/x/c", &[("p", "a/x/b"), ("v", "c")]);
    check("x:{+p}aa{v}", "x:baaac", &[("p", "ba"), ("v", "c")]);
    check("{scheme}:{rest}", "é:%E4%B8%96", &[("scheme", "é"), ("rest", "世")]);
    check("x:{name}{.ext}", "x:a.tar.gz", &[("name", "a.tar"), ("ext", "gz")]);
    check("x:{name}{.ext}", "x:a", &[("name", "a")]);
    check("x:{+path}{.ext}", "x:a.b/c.md", &[("path", "a.b/c"), ("ext", "md")]);
    check("r:{owner}{/repo,branch}", "r:a/b", &[("owner", "a"), ("repo", "b")]);
    check(
        "r:{owner}{/path*}#{part}",
        "r:a/b/c#d",
        &[("owner", "a"), ("path", "b"), ("path", "c"), ("part", "d")],
    );
    check("x:{+path}{#part}", "x:a/b#c/d?e", &[("path", "a/b"), ("part", "c/d?e")]);
    check("x:é/{id}", "x:é/1", &[("id", "1")]);
    check("x:é/{id}", "x:%c3%A9/1", &[("id", "1")]);
    check("x:{a:2}-{b}", "x:%E4%B8%96b-cd-e", &[("a", "世b"), ("b", "cd-e")]);
    check("x:{id}", "x:100%", &[("id", "100%")]);
    check("x:{id}", "x:a..b", &[("id", "a..b")]);
}

#[test]
fn parameters_come_in_any_order_and_may_be_absent() {
    let template = "s:{area}/find{?q,limit,tag*}{#part}";
    check(template, "s:a/find", &[("area", "a")]);
    check(template, "s:a/find#end", &[("area", "a"), ("part", "end")]);
    check(
        template,
        "s:a/find?tag=x&limit=5&q=a%26b/c&tag=y#end",
        &[("area", "a"), ("q", "a&b/c"), ("limit", "5"), ("tag", "x"), ("tag", "y"), ("part", "end")],
    );
    check("s:x?v=2&w={w}{&a,b}", "s:x?v=2&w=1&b=3&a=2", &[("w", "1"), ("a", "2"), ("b", "3")]);
    check("s:x?v=2&w={w}{&a}{&b}", "s:x?v=2&w=1&b=3", &[("w", "1"), ("b", "3")]);
    check("s:x{?a:1,a}", "s:x?a=b&a=bcd", &[("a", "bcd")]);
    check("s:{+path}{?page}", "s:a/b?page=2", &[("path", "a/b"), ("page", "2")]);
    check("s:{id}{;v,w}/x", "s:a;w=1/x", &[("id", "a"), ("w", "1")]);
    for wrong in [
        "s:a/find?",
        "s:a/find?q=1&q=2",
        "s:a/find?unknown=1",
        "s:a/find?q=1&",
        "s:a/find?q=..",
        "s:a/find?q=%00",
        "s:a/find?q=%ff",
        "s:a/find?q=1?limit=2&limit=3&limit=4",
        "s:a/b/find?q=1",
    ] {
        assert_eq!(read(template, wrong), None, "{wrong}");
    }
    assert_eq!(read("s:x?v=2{&a}", "s:x?a=1&v=2"), None, "what is fixed comes first");
    assert_eq!(read("s:{id}{;v}", "s:a;v=%2fetc"), None);
}

#[test]
fn what_the_template_could_not_have_made_is_not_read() {
    for (template, uri) in [
        ("test://template/{id}/data", "test://template/1/2/data"),
        ("test://template/{id}/data", "test://template//data"),
        ("test://template/{id}/data", "test://template/1/data/more"),
        ("test://template/{id}/data", "other://template/1/data"),
        ("a:{id}", "a:b?c"),
        ("a:{id}", "a:%ff"),
        ("a:{+id}", "a:"),
        ("a:{id}", ""),
        ("a:{id:3}", "a:four"),
        ("a:{/id:1,id}", "a:/v"),
        ("a:{/id:1,id}", "a:/w/value"),
        ("a?x={x}", "a?x=1&y=2"),
    ] {
        assert_eq!(read(template, uri), None, "{template} of {uri}");
    }
}

#[test]
fn nobody_climbs_out() {
    for up in ["..", "%2e%2E", ".%2e", "..%2f..%2Fetc", "..%5cetc", "a%00", "a\0", "..\\etc", "%5C", "%2f"] {
        for template in ["a:{id}", "a:{id}/x", "a:{x:9}", "a:x{/id}", "a:x{/id*}", "a:x{.id}", "a:{id,x}"] {
            let uri = template.replace("{id}", up).replace("{x:9}", up).replace("{id,x}", up);
            let uri = uri.replace("{/id}", &format!("/{up}")).replace("{/id*}", &format!("/a/{up}"));
            let uri = uri.replace("{.id}", &format!(".{up}"));
            assert_eq!(read(template, &uri), None, "{template} of {uri}");
        }
    }
    for up in ["../x", "a/../b", "a/..", "a\\..\\b", "%2e%2e/x", "a%2f..%2Fb", "a/%00"] {
        for template in ["a:{+path}", "a:x{#path}", "a:x{?path}"] {
            let value = format!("a:{}{up}", &template[2..].replace("{+path}", "").replace("{#path}", "#"));
            let uri = value.replace("{?path}", "?path=");
            assert_eq!(read(template, &uri), None, "{template} of {uri}");
        }
    }
    // A list that is put together again must not lead to the root.
    assert_eq!(read("a:x{/path*}", "a:x//etc/passwd"), None);
    check("a:{+path}", "a:a...b/..c/d..", &[("path", "a...b/..c/d..")]);
}

#[test]
fn what_cannot_be_read_back_is_refused_with_the_reason() {
    use TemplateError as E;
    let text = str::to_owned;
    for (template, error) in [
        ("a:{b", E::Brace),
        ("a:b}", E::Brace),
        ("a:b", E::NoVariable),
        ("a:{}", E::Expression(text(""))),
        ("a:{?}", E::Expression(text("?"))),
        ("a:{a b}", E::Expression(text("a b"))),
        ("a:{a..b}", E::Expression(text("a..b"))),
        ("a:{a%2}", E::Expression(text("a%2"))),
        ("a:{!a}", E::Operator(text("!a"))),
        ("a:{a:0}", E::Prefix(text("a:0"))),
        ("a:{a:10000}", E::Prefix(text("a:10000"))),
        ("a:{a:3*}", E::Prefix(text("a:3*"))),
        ("a:{a:+3}", E::Prefix(text("a:+3"))),
        ("a:{b}/{+b}", E::Twice(text("b"))),
        ("a:{b:1}/{b:2}", E::Twice(text("b"))),
        ("a:{b:1}{/b*}", E::Twice(text("b"))),
        ("a b:{c}", E::Character(' ')),
        ("a:100%/{c}", E::Character('%')),
        ("a:{b}{c}", E::Touching(text("b"), text("c"))),
        ("a:{/b}{+c}", E::Touching(text("/b"), text("+c"))),
        ("a:{/b}{/c}", E::Alike(text("/b"), text("/c"))),
        ("a:{/b*,c}", E::ListEnd(text("/b*,c"))),
        ("a:{+b*}", E::ListItems(text("+b*"))),
        ("a:{;b}c", E::BehindParameters(text(";b"))),
        ("a:{;b}{/c}d", E::BehindParameters(text(";b"))),
        ("a:{?b}/c", E::BehindQuery(text("?b"))),
        ("a:{?b}&c=1", E::BehindQuery(text("?b"))),
        ("a:{?b}#c{?d}", E::BehindQuery(text("?b"))),
        ("a:?x=1{?b}", E::SecondQuery(text("?b"))),
        ("a:{?b}{?c}", E::SecondQuery(text("?c"))),
        ("a:{&b}", E::NoQuery(text("&b"))),
        ("a:#x{?b}", E::QueryInFragment(text("?b"))),
    ] {
        assert_eq!(UriTemplate::parse(template), Err(error), "{template}");
    }
    assert!(UriTemplate::parse("a:{b.c_%41}").is_ok());
}

/// Steps per character and atom that reading may take, whatever the URI.
const MAX_STEPS: usize = 4;

#[test]
fn time_is_linear_whatever_the_uri() {
    // Research A2: URIs that send matchers with backtracking into exponential or quadratic time.
    let templates: [(&str, usize); 8] = [
        ("x:{+a}/a{+b}/a{+c}/a{+d}/z", 9),
        ("x:{a}{/b*}{?c*}", 5),
        ("x:{+a}{/b*}/z", 5),
        ("x:{a}-{b}-{c}-{d}!", 9),
        ("x:{a:9}-{b:9}-{c:9}!", 7),
        ("x:{+a,b,c,d,e,f}", 13),
        ("x{;a*,b,c,d}", 5),
        ("{+a}{.b,c,d}{#e}", 12),
    ];
    for (template, atoms) in templates {
        let parsed = UriTemplate::parse(template).unwrap();
        for pattern in ["/a", "a", "-", "a-", ".", ",", "/", "&c=1", ";a=1", "%2e", "%", "é", "?", "#"] {
            let mut uri = format!("x:{}", pattern.repeat(MAX_URI_BYTES / pattern.len()));
            uri.truncate(uri.floor_char_boundary(MAX_URI_BYTES));
            let mut steps = 0;
            parsed.read_counting(&uri, &mut steps);
            assert!(steps <= MAX_STEPS * (atoms + 1) * uri.len(), "{template} of {pattern}: {steps}");
        }
        assert_eq!(parsed.read(&"x".repeat(MAX_URI_BYTES + 1)), None);
        assert_eq!(parsed.read(&format!("x:{}", "/a".repeat(1 << 20))), None);
    }
}

/// A template from pieces that can be told apart, its values, and whether a value could have another reading.
fn made() -> impl Strategy<Value = (String, Given)> {
    let word = || "[a-z0-9_~é%&=+@!$'()*:\u{4e16} -]{1,8}";
    let plain = || "[a-z0-9]{1,6}";
    let path = || prop::collection::vec("[a-z0-9_~é +-]{1,5}", 1..4).prop_map(|parts| parts.join("/"));
    let one = |text: String| Value::Text(text);
    // (text of the expression with names %, values)
    let expression = prop_oneof![
        word().prop_map(move |a| ("{%0}", vec![one(a)])),
        (word(), word()).prop_map(move |(a, b)| ("{%0,%1}", vec![one(a), one(b)])),
        path().prop_map(move |a| ("{+%0}", vec![one(a)])),
        (word(), word()).prop_map(move |(a, b)| ("{/%0,%1}", vec![one(a), one(b)])),
        prop::collection::vec(word(), 1..4).prop_map(|list| ("{/%0*}", vec![Value::List(list)])),
        prop::collection::vec(plain(), 1..4).prop_map(|list| ("{.%0*}", vec![Value::List(list)])),
        prop::collection::vec(word(), 1..4).prop_map(|list| ("{%0*}", vec![Value::List(list)])),
        word().prop_map(move |a| ("{.%0}", vec![one(a)])),
        (word(), prop::collection::vec(word(), 1..3))
            .prop_map(move |(a, list)| ("{;%0,%1*}", vec![one(a), Value::List(list)])),
    ];
    let query = prop_oneof![
        Just(("", vec![])),
        (word(), word()).prop_map(move |(a, b)| ("{?%0,%1}", vec![one(a), one(b)])),
        (path(), prop::collection::vec(word(), 0..3))
            .prop_map(move |(a, list)| ("?v=1{&%0,%1*}", vec![one(a), Value::List(list)])),
    ];
    let fragment = prop_oneof![Just(("", vec![])), path().prop_map(move |a| ("{#%0}", vec![one(a)]))];
    (prop::collection::vec(expression, 0..4), query, fragment).prop_map(|(expressions, query, fragment)| {
        let mut template = "x:".to_owned();
        let mut given = Given::new();
        let mut add = |(text, values): (&str, Vec<Value>), template: &mut String| {
            let mut text = text.to_owned();
            for (place, value) in values.into_iter().enumerate() {
                let name = format!("v{}", given.len());
                text = text.replace(&format!("%{place}"), &name);
                given.insert(name, value);
            }
            template.push_str(&text);
        };
        add(("{%0}", vec![Value::Text("first".into())]), &mut template);
        for expression in expressions {
            // No value has these.
            template.push_str("/[]");
            add(expression, &mut template);
            template.push_str("/[]");
        }
        add(query, &mut template);
        add(fragment, &mut template);
        (template, given)
    })
}

/// What templates are made of, good ones and bad ones.
const PIECES: &[&str] = &[
    "{a}", "{b:2}", "{a,b}", "{+c}", "{+c,d}", "{/a}", "{/a,b}", "{/e*}", "{/a:1,a}", "{.a}", "{.f*}",
    "{;a,b}", "{;g*}", "{?a,b}", "{?h*}", "{&b}", "{#i}", "{#c,d}", "{j*}", "a", "/", ".", ",", "?", "?a&",
    "#",
];

proptest! {
    #[test]
    fn what_is_expanded_is_read_back((template, given) in made()) {
        let uri = expand(&template, &given).unwrap();
        let parsed = UriTemplate::parse(&template).unwrap();
        let mut expected = Pairs::new();
        for Variable { name, .. } in parsed.variables() {
            match &given[name] {
                Value::Text(text) => expected.push((name.to_owned(), text.clone())),
                Value::List(items) => expected.extend(items.iter().map(|item| (name.to_owned(), item.clone()))),
                Value::Map(_) => unreachable!(),
            }
        }
        prop_assert_eq!(parsed.read(&uri), Some(expected), "{} of {}", template, uri);
    }

    #[test]
    fn what_is_read_makes_the_same_uri_again(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 1..6),
        uri in "[ab/.,;?&#]{0,9}((a|[?&;]a=|[?&]b=)[ab/.,]?){0,3}",
    ) {
        let template = pieces.concat();
        let Ok(parsed) = UriTemplate::parse(&template) else { return Ok(()) };
        let Some(values) = parsed.read(&uri) else { return Ok(()) };
        let mut given = Given::new();
        for Variable { name, is_list } in parsed.variables() {
            let texts: Vec<String> =
                values.iter().filter(|(key, _)| key == name).map(|(_, text)| text.clone()).collect();
            if is_list {
                given.insert(name.to_owned(), Value::List(texts));
            } else if let Some(text) = texts.into_iter().next() {
                given.insert(name.to_owned(), Value::Text(text));
            }
        }
        // It may have been written otherwise: with other encoding, and parameters in another order.
        let same = |uri: &str| {
            let decoded = percent_encoding::percent_decode_str(uri).decode_utf8().unwrap().into_owned();
            // An empty parameter may have its `=` or not.
            let mut parts: Vec<String> =
                decoded.split(['&', '?', ';']).map(|part| part.replace('=', "")).collect();
            parts.sort();
            parts
        };
        let again = expand(&template, &given).unwrap();
        prop_assert_eq!(same(&again), same(&uri), "{} of {}: {:?}", template, uri, values);
    }

    #[test]
    fn nothing_panics(template in any::<String>(), uri in any::<String>()) {
        if let Ok(parsed) = UriTemplate::parse(&template) {
            parsed.read(&uri);
        }
    }

    #[test]
    fn nothing_that_is_almost_a_template_panics(
        template in "[{}+#./;?&=a-c,*:0-9%é]{0,24}",
        uri in "[a-c/.,;?&#=%0-9fé\\\\]{0,24}",
    ) {
        if let Ok(parsed) = UriTemplate::parse(&template) {
            for (_, value) in parsed.read(&uri).unwrap_or_default() {
                prop_assert!(!value.contains('\0') && value.split(['/', '\\']).all(|segment| segment != ".."));
            }
        }
    }
}
