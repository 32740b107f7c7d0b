use super::*;

#[test]
fn paths_are_beneath_their_root() {
    let check = PathCheck::new("/srv/data").unwrap();
    for (path, beneath) in [
        ("/srv/data", ""),
        ("/srv/data/a/b.txt", "a/b.txt"),
        ("/srv/data/./a", "a"),
        ("/srv/data//a", "a"),
        ("a/b", "a/b"),
        ("./a", "a"),
        ("a..b/c...d", "a..b/c...d"),
        (".hidden", ".hidden"),
        ("file:///srv/data/a%20b", "a b"),
        ("FILE://localhost/srv/data/a", "a"),
        ("ordinary % sign", "ordinary % sign"),
        ("100% of 50%", "100% of 50%"),
        ("a%20b%C3%A4c%C3%B6", "a%20b%C3%A4c%C3%B6"),
        ("O'Brien", "O'Brien"),
        ("US$ 5.txt", "US$ 5.txt"),
        ("price$", "price$"),
        ("[slug]/page", "[slug]/page"),
        ("日本/／", "日本/／"),
    ] {
        assert_eq!(check.beneath(path).map(|parts| parts.join("/")), Ok(beneath.to_owned()), "{path}");
    }
    for wrong in [
        " /etc/passwd",
        "a ",
        "\u{a0}/etc/passwd",
        "\u{3000}a",
        "\u{feff}/etc/passwd",
        "\u{200b}/etc/passwd",
        "..\u{200b}/..\u{200b}/etc",
        "a\u{202e}b",
        "%E2%80%8B/etc/passwd",
        "%20/etc/passwd",
        "%2fetc%2fpasswd",
        "%252fetc",
        "%43:/x",
        "%7eroot",
        "\"/etc/passwd\"",
        "\"/etc/passwd",
        "'/etc/passwd'",
        "`id`",
        "a`id`b",
        "%22/etc/passwd%22",
        "[\"/etc/passwd\"]",
        "{\"path\":\"/etc/passwd\"}",
        "$HOME/.ssh/id_rsa",
        "/srv/data/${HOME}",
        "a/$(id)",
        "$1",
        "a/$$",
        "%24HOME/x",
        "%USERPROFILE%/x",
        "a/%TEMP%",
        "%DATE%",
        "%ProgramFiles(x86)%\\x",
        "%2525252e%2525252e/",
        "%2525252525",
        "",
        "/",
        "/srv",
        "/srv/database",
        "/srv/Data/a",
        "/etc/passwd",
        "//srv/data/a",
        "\\srv\\data",
        "\\\\server\\share",
        "C:\\data",
        "c:data",
        "..",
        "../x",
        "a/../../x",
        "/srv/data/../x",
        "/srv/data/a/..",
        "a\\..\\..\\x",
        ".. /x",
        " ../x",
        "..\u{a0}/x",
        ".../x",
        "..../x",
        "．．/x",
        "..／x",
        "a∕..⁄x",
        "‥/x",
        "%2e%2e/x",
        "%2e%2e%2fx",
        "..%2fx",
        "%252e%252e%252fx",
        "..%5cx",
        "%25252e%25252e/x",
        "a\0b",
        "a%00b",
        "a\nb",
        "~/x",
        "~root/x",
        "-rf",
        "--output=/etc/passwd",
        "http://a.example/x",
        "file:///etc/passwd",
        "file:/srv/data/a",
        "file:srv/data/a",
        "file://server/srv/data/a",
        "file:///srv/data/../x",
        "file:///srv/data/%2e%2e/x",
        "file:///srv/data/%252e%252e/x",
        "file:///srv/data/a%00",
        "file:///srv/data/a?b",
        "file:///srv/data%2f..%2fx",
    ] {
        assert!(check.beneath(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn paths_of_windows_are_beneath_their_root() {
    let check = PathCheck::new("C:\\Data").unwrap();
    for (path, is_right) in [
        ("C:\\Data\\a", true),
        ("c:/data/a", true),
        ("a\\b", true),
        ("file:///C:/Data/a", true),
        ("C:\\", false),
        ("D:\\Data\\a", false),
        ("C:\\Data\\..\\x", false),
        ("C:/Data/.. /x", false),
        ("\\Data\\a", false),
        ("/Data/a", false),
        ("\\\\?\\C:\\Data", false),
        ("\\\\server\\share", false),
    ] {
        assert_eq!(check.beneath(path).is_ok(), is_right, "{path}");
    }
}

#[test]
fn a_root_is_absolute_and_plain() {
    for wrong in ["", "data", "./data", "/srv/../etc", "/srv/./x", "~/data", "\\data"] {
        assert_eq!(PathCheck::new(wrong), Err(RootFault), "{wrong}");
    }
    assert!(PathCheck::new("/").unwrap().beneath("/etc/passwd").is_ok());
}
