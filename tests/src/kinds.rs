//! A server whose tools take and return every kind of value that macros and builders make schemas of.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::{NonZeroU8, NonZeroU64},
    ops::Range,
    path::PathBuf,
    time::Duration,
};

use anyport::{BuildError, Context, Json, Server, Tool, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Integers of every width.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Integers {
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    isize: isize,
    u8: u8,
    u16: u16,
    u32: u32,
    u64: u64,
    usize: usize,
    /// Never zero
    small: NonZeroU8,
    large: NonZeroU64,
    i128: i128,
    u128: u128,
}

/// Other values of one piece.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Plain {
    f32: f32,
    f64: f64,
    bool: bool,
    char: char,
    string: String,
    cow: Cow<'static, str>,
    boxed: Box<str>,
    unit: (),
    path: PathBuf,
    address: IpAddr,
    address_4: Ipv4Addr,
    address_6: Ipv6Addr,
    duration: Duration,
    #[schemars(extend("format" = "uuid"))]
    uuid: String,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    #[schemars(extend("format" = "uri"))]
    url: String,
    any: Value,
}

/// The same, each of them optional.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Optional {
    integer: Option<u16>,
    float: Option<f32>,
    bool: Option<bool>,
    char: Option<char>,
    /// A text
    string: Option<String>,
    address: Option<IpAddr>,
    list: Option<Vec<u8>>,
    map: Option<BTreeMap<String, i32>>,
    choice: Option<Choice>,
    shape: Option<Shape>,
    nested: Option<Box<Plain>>,
    any: Option<Value>,
    twice: Option<Option<u32>>,
    tuple: Option<(u8, String)>,
}

/// Values of several pieces.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Several {
    list: Vec<u64>,
    /// Texts that may be missing
    sparse: Vec<Option<String>>,
    deque: VecDeque<i8>,
    set: BTreeSet<String>,
    array: [f32; 3],
    array_of_optional: [Option<bool>; 2],
    tuple: (u8, String),
    nested_tuple: (Option<u8>, (bool, f64)),
    range: Range<u32>,
    map: BTreeMap<String, u16>,
    map_of_optional: HashMap<String, Option<i64>>,
    map_of_integers: BTreeMap<u32, String>,
    map_of_maps: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    object: Map<String, Value>,
    outcome: Result<u8, String>,
}

/// A choice without data.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Choice {
    One,
    TwoWords,
}

/// A choice without data, whose variants are described.
#[derive(Serialize, Deserialize, JsonSchema)]
enum Described {
    /// The first
    First,
    /// The second
    Second,
}

/// Variants of every form, by their names.
#[derive(Serialize, Deserialize, JsonSchema)]
enum Shape {
    Unit,
    NewType(u8),
    Tuple(i32, Option<String>),
    Struct {
        /// In metres
        width: f32,
        height: Option<f32>,
    },
    Nested(Integers),
}

/// Variants by a tag among their members.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    Unit,
    Struct { count: u32, note: Option<String> },
    Nested(Inner),
}

/// Variants by a tag beside their content.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    Unit,
    NewType(Vec<u8>),
    Struct { a: Option<u8> },
}

/// Variants that are told by their contents.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    Text(String),
    List(Vec<String>),
    Nested(Inner),
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inner {
    id: u32,
    label: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Wrapper(u8);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Transparent {
    inner: Vec<Inner>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Generic<T> {
    value: T,
    others: Vec<Option<T>>,
}

/// Enums and structs.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Composed {
    choice: Choice,
    described: Described,
    shape: Shape,
    tagged: Tagged,
    adjacent: Adjacent,
    untagged: Untagged,
    choices: Vec<Choice>,
    by_choice: BTreeMap<String, Choice>,
    inner: Inner,
    /// The same again, with words of its own
    other: Inner,
    wrapper: Wrapper,
    transparent: Transparent,
    generic: Generic<u8>,
    generic_of_struct: Generic<Inner>,
    #[serde(flatten)]
    flat: Flat,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Flat {
    flat_number: u8,
    flat_text: Option<String>,
}

/// A tree: the one type here that contains itself.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
}

/// Values with defaults and limits.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Limited {
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9))]
    count: u8,
    #[serde(default)]
    choice: Option<Choice>,
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z]+$"))]
    word: String,
    #[schemars(range(min = 0.0, max = 1.0))]
    share: Option<f64>,
    #[schemars(length(max = 3))]
    list: Vec<String>,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    nested: Defaulted,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Defaulted {
    number: u32,
    text: Option<String>,
}

fn one() -> u8 {
    1
}

/// Takes every kind of argument under the macro.
#[tool]
#[allow(clippy::too_many_arguments, reason = "each is of another kind")]
fn by_macro(
    integers: Integers,
    i8: i8,
    u64: u64,
    usize: Option<usize>,
    f32: f32,
    f64: Option<f64>,
    bool: Option<bool>,
    char: char,
    /// A text
    string: Option<String>,
    list: Vec<u16>,
    optional_list: Option<Vec<Option<u16>>>,
    array: [u8; 2],
    tuple: (u8, Option<String>),
    map: BTreeMap<String, Option<u8>>,
    address: Option<IpAddr>,
    choice: Choice,
    /// The same, optional
    optional_choice: Option<Choice>,
    shape: Shape,
    optional_tagged: Option<Tagged>,
    untagged: Untagged,
    any: Value,
    /// Anything, or nothing
    optional_any: Option<Value>,
    plain: Option<Plain>,
) -> Json<BTreeMap<String, Option<u8>>> {
    // What is not looked at here has been read all the same.
    let _ = (integers, i8, u64, usize, f32, f64, bool, char, string, list, optional_list, array, tuple);
    let _ = (address, choice, optional_choice, shape, optional_tagged, untagged, any, optional_any, plain);
    Json(map)
}

/// Takes arguments that the macro refines.
#[tool(coerce)]
#[allow(clippy::too_many_arguments, reason = "each is refined in another way")]
fn refined(
    #[arg(default = 1, range = 1..=9)] count: u8,
    #[arg(range = 0..)] at_least: i64,
    #[arg(default = 0.5)] share: f32,
    #[arg(length = 1..=40, pattern = "^[a-z]+$", example = "abc")] word: String,
    #[arg(one_of = ["a", "b"])] letter: String,
    #[arg(one_of = ["a", "b"])] optional_letter: Option<String>,
    #[arg(length = 1..=3)] list: Option<Vec<String>>,
    #[arg(default = Choice::One)] choice: Choice,
    #[arg(default)] flag: bool,
    #[arg(title = "Named", name = "renamed", description = "With another name")] original: Option<u32>,
    #[arg(header = "Region")] region: Option<String>,
) -> Refined {
    let _ = (at_least, share, word, letter, optional_letter, list, choice, flag, original, region);
    Refined { count, nothing: None }
}

/// What `refined` returns.
#[derive(Serialize, JsonSchema)]
struct Refined {
    count: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<f32>,
}

/// A tool of the builder that returns what it takes.
fn echo<T: for<'de> Deserialize<'de> + Serialize + JsonSchema + Send + Sync + 'static>(name: &str) -> Tool {
    Tool::new(name).description("Returns its arguments.").run(async |value: T, _: Context| Json(value))
}

/// The name of the tool whose type contains itself.
pub const RECURSIVE: &str = "tree";

/// Makes the server.
///
/// # Errors
/// When a schema is refused.
pub fn server() -> Result<Server, BuildError> {
    Server::builder("kinds", "1.0.0")
        .add(by_macro)
        .add(refined)
        .add(echo::<Integers>("integers"))
        .add(echo::<Plain>("plain"))
        .add(echo::<Optional>("optional"))
        .add(echo::<Several>("several"))
        .add(echo::<Composed>("composed"))
        .add(echo::<Limited>("limited"))
        .add(echo::<Generic<Tree>>("generic"))
        .add(echo::<Tree>(RECURSIVE))
        .build()
}
