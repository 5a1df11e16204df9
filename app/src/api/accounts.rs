use domain::{AccountId, User};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use crate::AppError;
use crate::wire::NewAccount;

#[server(name = AskAccounts, prefix = "/api", endpoint = "accounts", input = Json)]
pub async fn accounts() -> Result<Vec<User>, AppError> {
    crate::api::ask!(accounts())
}

#[server(name = CreateAccount, prefix = "/api", endpoint = "create_account", input = Json)]
pub async fn create_account(new: NewAccount) -> Result<User, AppError> {
    crate::api::ask!(create_account(new))
}

#[server(name = SetPassword, prefix = "/api", endpoint = "set_password", input = Json)]
pub async fn set_password(id: AccountId, password: String) -> Result<(), AppError> {
    crate::api::ask!(set_password(id, password))
}

#[server(name = SetDisabled, prefix = "/api", endpoint = "set_disabled", input = Json)]
pub async fn set_disabled(id: AccountId, disabled: bool) -> Result<(), AppError> {
    crate::api::ask!(set_disabled(id, disabled))
}
