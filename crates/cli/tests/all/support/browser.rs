//! A browser that fills in the forms of a gateway, as one user would.

use std::collections::BTreeMap;

use super::http::{Answer, Server};

/// A browser with its cookies, at a gateway whose public URL is [`PUBLIC`].
#[derive(Clone)]
pub(crate) struct Browser {
    server: Server,
    cookies: BTreeMap<String, String>,
    user: String,
    password: String,
}

/// The public URL of the gateway.
pub(crate) const PUBLIC: &str = "https://mcp.example";

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse battery";

impl Browser {
    /// A browser in which `user` signs in when a page asks for that.
    pub(crate) fn new(server: &Server, user: &str) -> Self {
        Self {
            server: server.clone(),
            cookies: BTreeMap::new(),
            user: user.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }

    /// The same browser, cookies and all, at another address of the gateway.
    pub(crate) fn at(&self, server: &Server) -> Self {
        Self { server: server.clone(), ..self.clone() }
    }

    /// The same with another password.
    pub(crate) fn with_password(self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self }
    }

    /// Opens a page of the gateway, by its path, and follows redirects on the gateway.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        let answer = self.send("GET", path, &[]);
        self.followed(answer)
    }

    /// Fills in the form of a page, and presses its first button.
    pub(crate) fn press(&mut self, page: &Answer) -> Answer {
        let form = page.body.split_once("<form ").unwrap_or_else(|| panic!("no form: {page:?}")).1;
        let form = form.split_once("</form>").unwrap().0;
        let action = attribute(form, "action").unwrap();
        let mut fields: Vec<(String, String)> = Vec::new();
        for input in form.split("<input ").skip(1) {
            let (name, kind) = (attribute(input, "name").unwrap(), attribute(input, "type").unwrap());
            let value = match &*kind {
                "password" => self.password.clone(),
                "text" => self.user.clone(),
                _ => attribute(input, "value").unwrap_or_default(),
            };
            fields.push((name, value));
        }
        if let Some(button) = form.split("<button ").nth(1) {
            fields.extend(attribute(button, "name").zip(attribute(button, "value")));
        }
        let answer = self.send("POST", &action, &fields);
        self.followed(answer)
    }

    /// Presses through the pages of the gateway that ask who the user is, until another page or another host.
    pub(crate) fn sign_in(&mut self, page: Answer) -> Answer {
        match page.body.contains("type=\"password\"") {
            true => self.press(&page),
            false => page,
        }
    }

    fn followed(&mut self, answer: Answer) -> Answer {
        let path = answer.header("location").and_then(|to| {
            let path = to.strip_prefix(PUBLIC).unwrap_or(to);
            path.starts_with('/').then(|| path.to_owned())
        });
        match path.filter(|_| answer.status == 303 || answer.status == 302) {
            Some(path) => self.get(&path),
            None => answer,
        }
    }

    fn send(&mut self, verb: &str, path: &str, form: &[(String, String)]) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = vec![("Cookie", &*cookies)];
        if verb == "POST" {
            headers.push(("Origin", PUBLIC));
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        let answer = self.server.ask(verb, path, &headers, &body);
        for cookie in answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, rest) = cookie.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        answer
    }
}

/// The value of an attribute of the element that `text` begins in.
fn attribute(text: &str, name: &str) -> Option<String> {
    let element = text.split_once('>').map_or(text, |(element, _)| element);
    let (_, rest) = element.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\""))
}

/// The token with which an application calls the gateway in the name of the user of `browser`, who agrees to it.
pub(crate) fn token(server: &Server, browser: &mut Browser) -> String {
    const REDIRECT: &str = "http://127.0.0.1/callback";
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let query = format!(
        "response_type=code&client_id=robot&redirect_uri={}&state=s&code_challenge_method=S256&\
         code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&resource={}",
        encode(REDIRECT),
        encode(&format!("{PUBLIC}/mcp"))
    );
    let page = browser.get(&format!("/authorize?{query}"));
    let mut answer = browser.press(&page);
    if answer.header("location").is_none() {
        answer = browser.sign_in(answer);
    }
    let to = answer.header("location").unwrap_or_else(|| panic!("{answer:?}"));
    let code =
        url::Url::parse(to).unwrap().query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "authorization_code"),
            ("client_id", "robot"),
            ("redirect_uri", REDIRECT),
            ("code", &code),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ])
        .finish();
    let answer =
        server.ask("POST", "/token", &[("Content-Type", "application/x-www-form-urlencoded")], &form);
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// The configuration of a gateway with users of its own, and the application that [`token`] is for.
pub(crate) fn configuration() -> String {
    format!(
        "[gateway]\npublic_url = {PUBLIC:?}\n[auth.builtin]\n[auth.server.clients.robot]\nname = \"Robot\"\n\
         redirect_uris = [\"http://127.0.0.1/callback\"]\n"
    )
}
