//! A standard, applied to code.

use anyport::Revision;
use anyport_testing::TestServer;
use serde_json::json;

use super::{STANDARD, knowledge, serve, serve_with};

#[tokio::test]
async fn standard_and_code_are_there_in_every_revision() {
    let server = serve(&knowledge(&[("python/testing.md", STANDARD)]).await).await;
    for revision in Revision::ALL {
        let mut client = server.client().wire(revision).await.unwrap();
        let code = "def test():\n    sleep(1)\n    s = '```'\n";
        let arguments = json!({"language": "Python", "domain": "testing", "code": code});
        let result = client.prompt("apply_standard", arguments).await.unwrap().outcome.unwrap();
        let [standard, task] = result["messages"].as_array().unwrap().as_slice() else { panic!("{result}") };
        assert_eq!((&standard["role"], &standard["content"]["type"]), (&json!("user"), &json!("resource")));
        let resource = &standard["content"]["resource"];
        assert_eq!(
            (&resource["uri"], &resource["mimeType"]),
            (&json!("docs:///python/testing.md"), &json!("text/markdown"))
        );
        assert!(resource["text"].as_str().unwrap().contains("No test sleeps."), "{revision}");
        let task = task["content"]["text"].as_str().unwrap();
        assert!(
            task.contains("How we test")
                && task.ends_with("\n\n````python\ndef test():\n    sleep(1)\n    s = '```'\n````"),
            "{task}"
        );
    }
}

#[tokio::test]
async fn a_section_is_applied_alone_and_a_long_standard_as_far_as_it_goes() {
    let long = format!("# Style\n\n{}## Last\n\nend\n", "One rule of many.\n\n".repeat(100));
    let knowledge = knowledge(&[("python/testing.md", STANDARD), ("go/style.md", &long)]).await;
    let server = serve_with(&knowledge, anyport_knowledge::Options::default().max_answer_chars(500)).await;
    let mut client = server.client().await.unwrap();
    let arguments = json!({"language": "python", "domain": "testing", "section": "names", "code": "x"});
    let result = client.prompt("apply_standard", arguments).await.unwrap().outcome.unwrap();
    let resource = &result["messages"][0]["content"]["resource"];
    assert_eq!(resource["uri"], "docs:///python/testing.md#names");
    assert_eq!(resource["text"], "## Names\n\nA test is called after what it proves.\n");
    let arguments = json!({"language": "go", "domain": "style", "code": "x"});
    let result = client.prompt("apply_standard", arguments).await.unwrap().outcome.unwrap();
    let text = result["messages"][0]["content"]["resource"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("# Style\n\nOne rule") && text.ends_with("many.") && text.len() <= 500,
        "{text}"
    );
    let task = result["messages"][1]["content"]["text"].as_str().unwrap();
    assert!(task.contains("The standard is not all there. These are the first"), "{task}");
}

#[tokio::test]
async fn what_there_is_no_standard_for_is_refused_with_what_there_is() {
    let server = serve(&knowledge(&[("python/testing.md", STANDARD)]).await).await;
    let mut client = server.client().await.unwrap();
    for (arguments, told) in [
        (json!({"language": "pyton", "domain": "testing", "code": "x"}), "python/testing.md"),
        (json!({"language": "python", "domain": "testing", "code": "x", "section": "nope"}), "Names"),
        (json!({"language": "python", "domain": "testing"}), "code"),
    ] {
        let refusal = client.prompt("apply_standard", arguments).await.unwrap().outcome.unwrap_err();
        assert_eq!(refusal.code, -32602);
        assert!(refusal.message.contains(told), "{refusal}");
    }
}

#[tokio::test]
async fn arguments_complete_themselves_to_what_there_is() {
    let documents = [
        ("python/testing.md", STANDARD),
        ("go/style.md", "# Go"),
        ("go/testing.md", "# Go"),
        ("intro.md", ""),
    ];
    let server = serve(&knowledge(&documents).await).await;
    let mut client = server.client().await.unwrap();
    assert_eq!(client.complete("apply_standard", "language", "").await.unwrap(), ["go", "python"]);
    assert_eq!(client.complete("apply_standard", "language", "PY").await.unwrap(), ["python"]);
    assert_eq!(client.complete("apply_standard", "domain", "").await.unwrap(), ["style", "testing"]);
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "apply_standard"},
        "argument": {"name": "domain", "value": ""},
        "context": {"arguments": {"language": "python"}},
    });
    let answer = client.request("completion/complete", params).await.unwrap().outcome.unwrap();
    assert_eq!(answer["completion"]["values"], json!(["testing"]));
}
