//! Content: what tools, prompts and resources are made of.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::{
    Annotations, JsonObject, MetaObject, Resource, ResourceContents, ResourceLink, Role, tag, wire::union,
};

union! {
    /// A piece of content in a prompt or in the result of a tool.
    pub enum ContentBlock by "type" of "a content block" {
        /// Text.
        Text(TextContent) = "text",
        /// A picture.
        Image(ImageContent) = "image",
        /// Sound.
        Audio(AudioContent) = "audio",
        /// A resource that can be read.
        ResourceLink(Box<ResourceLink>) = "resource_link",
        /// A resource that is here.
        Resource(EmbeddedResource) = "resource",
    }
}

impl ContentBlock {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent::new(text))
    }

    /// A picture from its bytes.
    pub fn image(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self::image_base64(BASE64.encode(bytes), mime_type)
    }

    /// A picture that is in Base64 already.
    pub fn image_base64(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self::Image(ImageContent {
            data: data.into(),
            mime_type: mime_type.into(),
            ..ImageContent::default()
        })
    }

    /// Sound from its bytes.
    pub fn audio(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self::audio_base64(BASE64.encode(bytes), mime_type)
    }

    /// Sound that is in Base64 already.
    pub fn audio_base64(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self::Audio(AudioContent {
            data: data.into(),
            mime_type: mime_type.into(),
            ..AudioContent::default()
        })
    }

    /// A resource to be read. A [`super::Resource`] becomes a link with `.into()`.
    pub fn resource_link(link: impl Into<ResourceLink>) -> Self {
        Self::ResourceLink(Box::new(link.into()))
    }

    /// A resource with its contents.
    pub fn embedded(contents: ResourceContents) -> Self {
        Self::Resource(EmbeddedResource::new(contents))
    }

    /// How it may be used, where this revision knows the kind.
    pub fn annotations(&self) -> Option<&Annotations> {
        match self {
            Self::Text(block) => block.annotations.as_ref(),
            Self::Image(block) => block.annotations.as_ref(),
            Self::Audio(block) => block.annotations.as_ref(),
            Self::ResourceLink(block) => block.annotations.as_ref(),
            Self::Resource(block) => block.annotations.as_ref(),
            Self::Unknown(_) => None,
        }
    }

    /// Sets how it may be used. A block of a kind that this revision does not know stays as it is, here and below.
    ///
    /// ```
    /// use anyport_protocol::types::{ContentBlock, Role};
    ///
    /// let chart = ContentBlock::image(b"...", "image/png").for_audience([Role::User]).with_priority(0.8);
    /// assert_eq!(chart.annotations().unwrap().audience, Some(vec![Role::User]));
    /// ```
    #[must_use]
    pub fn with_annotations(mut self, annotations: Annotations) -> Self {
        if let Some(place) = self.annotations_mut() {
            *place = Some(annotations);
        }
        self
    }

    /// Sets the audience.
    #[must_use]
    pub fn for_audience(self, audience: impl IntoIterator<Item = Role>) -> Self {
        self.annotate(|annotations| annotations.with_audience(audience))
    }

    /// Sets how important it is, from 0 (optional) to 1 (required).
    #[must_use]
    pub fn with_priority(self, priority: f64) -> Self {
        self.annotate(|annotations| annotations.with_priority(priority))
    }

    /// Sets when it was last changed, in ISO 8601.
    #[must_use]
    pub fn with_last_modified(self, time: impl Into<String>) -> Self {
        self.annotate(|annotations| annotations.with_last_modified(time))
    }

    /// Sets its metadata.
    #[must_use]
    pub fn with_meta(mut self, meta: MetaObject) -> Self {
        match &mut self {
            Self::Text(block) => block.meta = Some(meta),
            Self::Image(block) => block.meta = Some(meta),
            Self::Audio(block) => block.meta = Some(meta),
            Self::ResourceLink(block) => block.meta = Some(meta),
            Self::Resource(block) => block.meta = Some(meta),
            Self::Unknown(_) => {}
        }
        self
    }

    fn annotate(mut self, change: impl FnOnce(Annotations) -> Annotations) -> Self {
        if let Some(place) = self.annotations_mut() {
            *place = Some(change(place.take().unwrap_or_default()));
        }
        self
    }

    fn annotations_mut(&mut self) -> Option<&mut Option<Annotations>> {
        match self {
            Self::Text(block) => Some(&mut block.annotations),
            Self::Image(block) => Some(&mut block.annotations),
            Self::Audio(block) => Some(&mut block.annotations),
            Self::ResourceLink(block) => Some(&mut block.annotations),
            Self::Resource(block) => Some(&mut block.annotations),
            Self::Unknown(_) => None,
        }
    }
}

impl From<ResourceContents> for ContentBlock {
    fn from(contents: ResourceContents) -> Self {
        Self::embedded(contents)
    }
}

impl From<ResourceLink> for ContentBlock {
    fn from(link: ResourceLink) -> Self {
        Self::resource_link(link)
    }
}

impl From<Resource> for ContentBlock {
    fn from(resource: Resource) -> Self {
        Self::resource_link(resource)
    }
}

impl From<&str> for ContentBlock {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for ContentBlock {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// Text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextContent {
    /// Always `text`.
    #[serde(rename = "type")]
    pub tag: tag::Text,
    /// The text.
    pub text: String,
    /// How it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl TextContent {
    /// The text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageContent {
    /// Always `image`.
    #[serde(rename = "type")]
    pub tag: tag::Image,
    /// The picture in Base64.
    pub data: String,
    /// Its type.
    pub mime_type: String,
    /// How it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioContent {
    /// Always `audio`.
    #[serde(rename = "type")]
    pub tag: tag::Audio,
    /// The sound in Base64.
    pub data: String,
    /// Its type.
    pub mime_type: String,
    /// How it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// A resource with its contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddedResource {
    /// Always `resource`.
    #[serde(rename = "type")]
    pub tag: tag::Resource,
    /// The contents.
    pub resource: ResourceContents,
    /// How it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl EmbeddedResource {
    /// The contents as content.
    pub fn new(contents: ResourceContents) -> Self {
        Self {
            tag: tag::Resource,
            resource: contents,
            annotations: None,
            meta: None,
            extra: JsonObject::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(block: &ContentBlock) -> serde_json::Value {
        serde_json::to_value(block).unwrap()
    }

    #[test]
    fn constructors_write_what_the_schema_says() {
        assert_eq!(written(&"hi".into()), json!({ "type": "text", "text": "hi" }));
        assert_eq!(
            written(&ContentBlock::image([1, 2, 3], "image/png")),
            json!({ "type": "image", "data": "AQID", "mimeType": "image/png" })
        );
        assert_eq!(
            written(&ContentBlock::audio([0xff], "audio/wav")),
            json!({ "type": "audio", "data": "/w==", "mimeType": "audio/wav" })
        );
        assert_eq!(
            written(&ContentBlock::resource_link(Resource::new("a:b", "b"))),
            json!({ "type": "resource_link", "uri": "a:b", "name": "b" })
        );
        assert_eq!(
            written(&ContentBlock::embedded(ResourceContents::text("a:b", "t"))),
            json!({ "type": "resource", "resource": { "uri": "a:b", "text": "t" } })
        );
    }

    #[test]
    fn every_kind_can_be_annotated() {
        for block in [
            ContentBlock::text("t"),
            ContentBlock::image([1], "image/png"),
            ContentBlock::audio([1], "audio/wav"),
            ResourceLink::new("a:b", "b").with_size(5).with_mime_type("text/plain").into(),
            ResourceContents::text("a:b", "t").into(),
        ] {
            let block = block.for_audience([Role::User]).with_priority(0.5).with_last_modified("2026-01-01");
            assert_eq!(
                written(&block)["annotations"],
                json!({ "audience": ["user"], "priority": 0.5, "lastModified": "2026-01-01" })
            );
            assert_eq!(written(&block.with_priority(7.0))["annotations"]["priority"], json!(1));
        }
        let video = json!({ "type": "video" });
        let unknown: ContentBlock = serde_json::from_value(video.clone()).unwrap();
        assert_eq!(written(&unknown.with_priority(1.0).with_meta(JsonObject::new())), video);
        assert_eq!(Annotations::default().with_priority(f64::NAN).priority, None);
    }

    #[test]
    fn unknown_content_is_kept_whole() {
        let video = json!({ "type": "video", "data": { "type": "text" }, "more": [1] });
        let block: ContentBlock = serde_json::from_value(video.clone()).unwrap();
        assert!(matches!(block, ContentBlock::Unknown(_)));
        assert_eq!(written(&block), video);
    }

    #[test]
    fn the_type_is_found_wherever_and_however_it_is_written() {
        let block: ContentBlock =
            serde_json::from_str(r#"{"_meta":{"type":"image"},"text":"t","ty\u0070e" : "te\u0078t"}"#)
                .unwrap();
        assert!(matches!(block, ContentBlock::Text(text) if text.text == "t"));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |text| serde_json::from_str::<ContentBlock>(text).unwrap_err().to_string();
        assert!(error(r#"{"type":"text"}"#).starts_with("a content block: missing field `text`"));
        assert!(error(r#"{"text":"t"}"#).contains("the member \"type\" is missing"));
        assert!(error(r#"{"type":5}"#).contains("the member \"type\" must be a string"));
        assert!(error("[]").contains("must be an object"));
        let error = serde_json::from_str::<TextContent>(r#"{"type":"image","text":"t"}"#).unwrap_err();
        assert!(error.to_string().contains("expected \"text\", found \"image\""));
    }
}
