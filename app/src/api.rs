//! The server functions: thin public endpoints over [`Backend`](crate::backend::Backend), which authorises.
//!
//! All of them are POST with a JSON body, so that nothing of a patient stands in an address.

pub mod accounts;
pub mod audit;
pub mod cohort;
pub mod session;
pub mod study;
pub mod viewer;
pub mod worklist;

#[cfg(feature = "ssr")]
mod asked {
    use std::sync::Arc;

    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;

    use crate::AppError;
    use crate::backend::{Backend, Caller};

    /// Who asks, if anyone is signed in.
    pub fn caller() -> Option<Caller> {
        use_context::<http::request::Parts>()?
            .extensions
            .get::<Caller>()
            .cloned()
    }

    /// The backend and who asks it.
    ///
    /// # Errors
    /// [`AppError::SignedOut`] without a caller, [`AppError::Internal`] without a backend.
    pub fn asked() -> Result<(Arc<dyn Backend>, Caller), AppError> {
        let caller = caller().ok_or(AppError::SignedOut)?;
        let backend = use_context::<Arc<dyn Backend>>().ok_or(AppError::Internal)?;
        Ok((backend, caller))
    }

    /// Gives the response the status that goes with an error.
    pub fn told<T>(result: Result<T, AppError>) -> Result<T, AppError> {
        if let (Err(error), Some(response)) = (&result, use_context::<ResponseOptions>())
            && let Ok(status) = http::StatusCode::from_u16(error.status())
        {
            response.set_status(status);
        }
        result
    }
}

#[cfg(feature = "ssr")]
pub(crate) use asked::{asked, caller, told};

/// Calls the backend's method for the caller of this request; every server function ends in this.
#[cfg(feature = "ssr")]
macro_rules! ask {
    ($method:ident ( $($argument:expr),* )) => {{
        let answer = match $crate::api::asked() {
            Ok((backend, caller)) => backend.$method(&caller, $($argument),*).await,
            Err(error) => Err(error),
        };
        $crate::api::told(answer)
    }};
}

#[cfg(feature = "ssr")]
pub(crate) use ask;
