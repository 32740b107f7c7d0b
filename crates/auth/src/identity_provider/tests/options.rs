use super::fake::{REDIRECT_URI, options};
use crate::identity_provider::{ProviderConfigError as Wrong, ProviderKind, ProviderOptions};

fn check(kind: ProviderKind, issuer: &str, change: impl FnOnce(&mut ProviderOptions)) -> Result<(), Wrong> {
    let mut options = options(kind, issuer);
    change(&mut options);
    options.check(REDIRECT_URI)
}

#[test]
fn a_provider_where_everybody_has_an_account_needs_a_word_about_who_may_sign_in() {
    let github = |change: fn(&mut ProviderOptions)| {
        check(ProviderKind::GitHub, "https://github.com/login/oauth", change)
    };
    assert_eq!(github(|_| {}), Err(Wrong::Everybody("GitHub")));
    assert_eq!(github(|options| options.everyone = true), Ok(()));
    assert_eq!(github(|options| options.allowed_subjects = vec!["1".into()]), Ok(()));
    assert_eq!(
        github(|options| options.allowed_domains = vec!["a.example".into()]),
        Err(Wrong::NoDomains("GitHub"))
    );
    let google =
        |change: fn(&mut ProviderOptions)| check(ProviderKind::Google, "https://accounts.google.com", change);
    assert_eq!(google(|_| {}), Err(Wrong::Everybody("Google")));
    assert_eq!(google(|options| options.allowed_domains = vec!["a.example".into()]), Ok(()));
    let both = |options: &mut ProviderOptions| {
        options.everyone = true;
        options.allowed_subjects = vec!["1".into()];
    };
    assert_eq!(google(both), Err(Wrong::EveryoneAndList));
    let openid = |change: fn(&mut ProviderOptions)| check(ProviderKind::OpenId, "https://gitlab.com", change);
    assert_eq!(openid(|_| {}), Err(Wrong::MaybeEverybody("gitlab.com".into())));
    assert_eq!(openid(|options| options.everyone = true), Ok(()));
    assert_eq!(openid(|options| options.allowed_domains = vec!["a.example".into()]), Ok(()));
    let personal = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    let everybody = Err(Wrong::Everybody("Microsoft Entra ID"));
    assert_eq!(check(ProviderKind::Entra, personal, |_| {}), everybody);
    let among = |options: &mut ProviderOptions| {
        options.tenants = vec!["9188040D-6c67-4c5b-b112-36a304b66dad".into()];
    };
    assert_eq!(check(ProviderKind::Entra, "https://login.microsoftonline.com/common/v2.0", among), everybody);
    assert_eq!(check(ProviderKind::Okta, "https://a.okta.com", |_| {}), Ok(()));
}

#[test]
fn the_issuer_of_all_tenants_is_none_unless_tenants_are_named() {
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let entra = |place: &str, tenants: &[&str]| {
        check(ProviderKind::Entra, &format!("https://login.microsoftonline.com/{place}/v2.0"), |options| {
            options.tenants = tenants.iter().map(ToString::to_string).collect();
        })
    };
    for place in ["common", "organizations", "consumers", "Common"] {
        assert!(matches!(entra(place, &[]), Err(Wrong::AllTenants(_))), "{place}");
        assert_eq!(entra(place, &[TENANT]), Ok(()), "{place}");
    }
    assert_eq!(entra(TENANT, &[]), Ok(()));
    assert_eq!(entra(TENANT, &[TENANT]), Err(Wrong::NoTenants));
    assert_eq!(
        entra("common", &["contoso.onmicrosoft.com"]),
        Err(Wrong::Tenant("contoso.onmicrosoft.com".into()))
    );
}

#[test]
fn what_cannot_work_is_refused_before_anybody_signs_in() {
    let openid = |issuer: &str, change: fn(&mut ProviderOptions)| check(ProviderKind::OpenId, issuer, change);
    assert!(matches!(openid("http://login.example", |_| {}), Err(Wrong::Url { what: "issuer", .. })));
    assert!(matches!(openid("javascript:alert(1)", |_| {}), Err(Wrong::Url { .. })));
    assert_eq!(openid("https://a.example", |options| options.issuer = None), Err(Wrong::NoIssuer("oidc")));
    assert_eq!(
        openid("https://a.example", |options| options.client_id.clear()),
        Err(Wrong::NoClient(REDIRECT_URI.into()))
    );
    assert_eq!(
        openid("https://a.example", |options| options.scopes = vec!["a".into()]),
        Err(Wrong::NoOpenId)
    );
    for name in ["state", "nonce", "redirect_uri", "response_type", "client_id", "request"] {
        let refused = check(ProviderKind::OpenId, "https://a.example", |options| {
            options.authorize_params = vec![(name.into(), "x".into())];
        });
        assert_eq!(refused, Err(Wrong::Parameter(name.into())));
    }
    for kind in ProviderKind::ALL {
        assert_eq!(kind.name().parse::<ProviderKind>(), Ok(kind));
    }
    assert!("saml".parse::<ProviderKind>().is_err());
}
