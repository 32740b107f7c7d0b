//! Comparisons whose outcome is the same for every call: most often a name that is misspelt.

use std::net::IpAddr;

use anyport_protocol::{Method, Revision};
use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr, LiteralValue, SourceInfo, operators},
};

use crate::similar::similar;

/// A comparison of a condition with something that no call has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What no call has, and what was meant.
    pub message: String,
    /// Where: the number of bytes before it, if that is known.
    pub at: Option<usize>,
}

/// The names that calls can have.
pub trait KnownNames {
    /// The servers.
    fn upstreams(&self) -> Vec<&str>;
    /// Whether a tool can have this name for clients.
    fn has_tool(&self, name: &str) -> bool;
    /// Whether a prompt can have this name for clients.
    fn has_prompt(&self, name: &str) -> bool;
}

/// A variable that is compared with a constant.
#[derive(Debug)]
pub(crate) struct Comparison {
    variable: String,
    constant: Constant,
    at: Option<usize>,
}

/// What a variable is compared with: a text, or something else in the words of CEL.
#[derive(Debug)]
enum Constant {
    Text(String),
    Boolean(bool),
    Other(String),
}

/// What a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Boolean,
    Texts,
}

/// The methods that rules are asked about. Lists are filtered by the rules for what they list.
const METHODS: [Method; 4] = [Method::ToolsCall, Method::PromptsGet, Method::ResourcesRead, Method::Complete];

impl Comparison {
    /// All in a condition, whose depth is bounded.
    pub(crate) fn all(expression: &IdedExpr, info: &SourceInfo) -> Vec<Self> {
        let mut search = Search { info, local: Vec::new(), found: Vec::new() };
        search.visit(expression);
        search.found
    }

    /// Why no call makes the two equal, if that is so.
    pub(crate) fn doubt(&self, names: &dyn KnownNames) -> Option<Doubt> {
        let why = match (kind(&self.variable)?, &self.constant) {
            (Kind::Text, Constant::Text(text)) => self.why_not(text, names)?,
            (Kind::Boolean, Constant::Boolean(_)) => return None,
            (Kind::Text, _) => ": it is a text".to_owned(),
            (Kind::Boolean, _) => ": it is true or false".to_owned(),
            (Kind::Texts, Constant::Text(text)) => {
                format!(": it is a list; write {text:?} in {}", self.variable)
            }
            (Kind::Texts, Constant::Boolean(_)) => ": it is a list".to_owned(),
            (Kind::Texts, Constant::Other(_)) => return None,
        };
        let constant = match &self.constant {
            Constant::Text(text) => format!("{text:?}"),
            Constant::Boolean(value) => value.to_string(),
            Constant::Other(words) => words.clone(),
        };
        Some(Doubt { message: format!("{} is never {constant}{why}", self.variable), at: self.at })
    }

    /// Why the variable never has this text, and what was meant.
    fn why_not(&self, text: &str, names: &dyn KnownNames) -> Option<String> {
        let methods = || METHODS.iter().map(|method| method.as_str());
        let revisions = || Revision::ALL.iter().map(|revision| revision.as_str());
        let named = ": the names of a server's items begin with its own, or its prefix, and `_`; own_name is the name at the server";
        match &*self.variable {
            "method" if text.ends_with("/list") => {
                Some(": lists are filtered by the rules for what they list".to_owned())
            }
            "method" => (!methods().any(|method| method == text)).then(|| similar(text, methods())),
            "revision" => (!revisions().any(|revision| revision == text)).then(|| similar(text, revisions())),
            "upstream" => {
                let upstreams = names.upstreams();
                (!upstreams.contains(&text)).then(|| similar(text, upstreams.iter().copied()))
            }
            "tool.name" => (!text.is_empty() && !names.has_tool(text)).then(|| named.to_owned()),
            "prompt.name" => (!text.is_empty() && !names.has_prompt(text)).then(|| named.to_owned()),
            "address" if text.is_empty() => None,
            "address" => match text.parse::<IpAddr>() {
                Ok(address) => {
                    let written = address.to_canonical().to_string();
                    (written != text).then(|| format!("; it is written {written:?}"))
                }
                Err(_) if text.contains('/') => Some(format!("; write inNetwork(address, {text:?})")),
                Err(_) => Some(": it is an IP address".to_owned()),
            },
            _ => None,
        }
    }
}

/// What a variable is, if that does not depend on what others wrote.
fn kind(variable: &str) -> Option<Kind> {
    Some(match variable {
        "address" | "method" | "revision" | "upstream" | "client.name" | "client.version" => Kind::Text,
        "principal.id" | "principal.issuer" | "principal.name" | "principal.subject" => Kind::Text,
        "prompt.name" | "prompt.own_name" | "tool.name" | "tool.own_name" => Kind::Text,
        "resource.own_uri" | "resource.uri" => Kind::Text,
        "principal.is_anonymous" => Kind::Boolean,
        "principal.permissions" => Kind::Texts,
        _ => return None,
    })
}

struct Search<'a> {
    info: &'a SourceInfo,
    /// The variables of the loops around.
    local: Vec<&'a str>,
    found: Vec<Comparison>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, expression: &'a IdedExpr) {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
            Expr::Select(select) => self.visit(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(record) => record.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Call(call) => {
                if let [one, other] = &call.args[..] {
                    match &*call.func_name {
                        operators::EQUALS | operators::NOT_EQUALS => {
                            self.compare(beginning(one), one, other);
                            self.compare(beginning(other), other, one);
                        }
                        operators::IN => {
                            if let Expr::List(list) = &other.expr {
                                list.elements
                                    .iter()
                                    .for_each(|element| self.compare(element.id, one, element));
                            }
                        }
                        _ => {}
                    }
                }
                call.target.iter().for_each(|target| self.visit(target));
                call.args.iter().for_each(|argument| self.visit(argument));
            }
            Expr::Comprehension(each) => {
                self.visit(&each.iter_range);
                self.visit(&each.accu_init);
                let outside = self.local.len();
                self.local.extend([&*each.iter_var, &*each.accu_var]);
                self.local.extend(each.iter_var2.as_deref());
                [&each.loop_cond, &each.loop_step, &each.result]
                    .into_iter()
                    .for_each(|part| self.visit(part));
                self.local.truncate(outside);
            }
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
        }
    }

    /// Notes that `one` is compared with `other`, if it is a variable and that a constant.
    fn compare(&mut self, id: u64, one: &IdedExpr, other: &IdedExpr) {
        let Some((variable, constant)) = self.variable(one).zip(constant(other)) else { return };
        let at = self.info.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok());
        self.found.push(Comparison { variable, constant, at });
    }

    /// The name of a variable, or of a member of one.
    fn variable(&self, expression: &IdedExpr) -> Option<String> {
        let named = |name: &str| (!self.local.contains(&name)).then(|| name.to_owned());
        match &expression.expr {
            Expr::Ident(name) => named(name),
            Expr::Select(select) if !select.test => match &select.operand.expr {
                Expr::Ident(name) => named(name).map(|name| format!("{name}.{}", select.field)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The part with which an expression begins: that of a member would be its dot.
fn beginning(expression: &IdedExpr) -> u64 {
    match &expression.expr {
        Expr::Select(select) => beginning(&select.operand),
        _ => expression.id,
    }
}

fn constant(expression: &IdedExpr) -> Option<Constant> {
    Some(match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Constant::Text(text.inner().to_owned()),
        Expr::Literal(LiteralValue::Boolean(value)) => Constant::Boolean(*value.inner()),
        Expr::Literal(LiteralValue::Int(number)) => Constant::Other(number.inner().to_string()),
        Expr::Literal(LiteralValue::UInt(number)) => Constant::Other(number.inner().to_string()),
        Expr::Literal(LiteralValue::Double(number)) => Constant::Other(number.inner().to_string()),
        Expr::Literal(LiteralValue::Null) => Constant::Other("null".to_owned()),
        Expr::Literal(LiteralValue::Bytes(_)) => Constant::Other("bytes".to_owned()),
        Expr::List(_) => Constant::Other("a list".to_owned()),
        Expr::Map(_) => Constant::Other("a map".to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
