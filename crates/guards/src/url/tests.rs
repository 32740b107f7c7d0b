use std::path::Path;

use super::*;
use crate::lookup::LookupFuture;

/// Names with addresses of their own.
struct Names;

impl Lookup for Names {
    fn addresses<'a>(&'a self, host: &'a str) -> LookupFuture<'a, Vec<IpAddr>> {
        let addresses = match host {
            "public.example.com" => vec!["93.184.215.14"],
            "rebinding.example.com" => vec!["93.184.215.14", "127.0.0.1"],
            "metadata.example.com" => vec!["169.254.169.254"],
            "mapped.example.com" => vec!["::ffff:10.0.0.1"],
            _ => vec![],
        };
        let addresses = addresses.into_iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(addresses) })
    }

    fn is_beneath<'a>(&'a self, _: &'a Path, _: &'a Path) -> LookupFuture<'a, bool> {
        Box::pin(async { Ok(true) })
    }
}

fn public(resolve: Resolve) -> UrlCheck {
    UrlCheck { schemes: vec!["http".into(), "https".into()], hosts: vec![], is_public: true, resolve }
}

fn checked(check: &UrlCheck, text: &str) -> Result<Option<String>, Fault> {
    crate::guards::tests::ready(check.check(text, Some(&Names)))
}

#[test]
fn only_urls_of_the_public_internet_are_accepted() {
    let check = public(Resolve::Check);
    for right in [
        "https://public.example.com/a?b=c#d",
        "HTTPS://Public.Example.com:8443/",
        "http://1.1.1.1/",
        "https://[2606:4700::1111]/",
        "https://public.example.com",
    ] {
        assert_eq!(checked(&check, right), Ok(None), "{right}");
    }
    for wrong in [
        // Other schemes, and URLs that parsers read differently.
        "ftp://public.example.com/",
        "file:///etc/passwd",
        "gopher://public.example.com/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "public.example.com",
        "//public.example.com/",
        "https:public.example.com",
        "https:/public.example.com",
        "https:///public.example.com",
        "https:\\\\public.example.com",
        "https://public.example.com\\@127.0.0.1/",
        "https://127.0.0.1\\.public.example.com/",
        " https://public.example.com",
        "https://public.example.com\n",
        "ht\ttps://public.example.com",
        "https://public.example.com\u{0}",
        // Users.
        "https://public.example.com@127.0.0.1/",
        "https://user:pw@public.example.com/",
        "https://@public.example.com/",
        // This machine, in all forms.
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://１２７.0.0.1/",
        "http://①②⑦.0.0.1/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://loc%61lhost/",
        "http://127.0.0.1./",
        // Public, but written so that others read another address.
        "http://010.1.1.1/",
        "http://16843009/",
        // Private networks and metadata.
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://172.31.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://printer.local/",
        "http://router.home.arpa/",
        "http://intranet/",
        // Names that lead there.
        "https://rebinding.example.com/",
        "https://metadata.example.com/",
        "https://mapped.example.com/",
        "https://unknown.example.com/",
    ] {
        assert!(checked(&check, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_host_is_one_of_those_that_are_named() {
    let hosts = ["*.example.com", "10.0.0.7"].map(|host| Pattern::new(host.to_owned())).to_vec();
    let check = UrlCheck { hosts, is_public: false, ..public(Resolve::Check) };
    for (url, is_right) in [
        ("https://a.example.com/", true),
        ("https://A.EXAMPLE.COM./", true),
        ("http://10.0.0.7:80/", true),
        ("https://example.com/", false),
        ("https://a.example.com.evil.example/", false),
        ("https://evil.example/?.example.com", false),
        ("https://evil.example#.example.com", false),
        ("http://10.0.0.70/", false),
        ("http://012.0.0.7/", false),
    ] {
        assert_eq!(checked(&check, url).is_ok(), is_right, "{url}");
    }
}

#[test]
fn a_name_is_replaced_by_its_address_where_that_is_wanted() {
    let pinned = checked(&public(Resolve::Pin), "http://public.example.com:8080/a?b#c");
    assert_eq!(pinned, Ok(Some("http://93.184.215.14:8080/a?b#c".to_owned())));
    assert!(checked(&public(Resolve::Pin), "http://rebinding.example.com/").is_err());
    assert_eq!(checked(&public(Resolve::Never), "http://metadata.example.com/"), Ok(None));
}
