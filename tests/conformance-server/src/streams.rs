//! Methods that stream to the client, take uploads, or do both.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hubward::{Hub, HubError, Upload};

use crate::nullable::{InvalidOperationException, NullableString};

pub(crate) fn add(hub: Hub) -> Hub {
    hub.stream("Count", count)
        .stream("CountThenFail", async |n: i32| then(n, HubError::shown("stream failed")))
        .stream("CountThenCrash", async |n: i32| then(n, InvalidOperationException("secret".into()).into()))
        .stream("Double", async |values: Upload<i32>| values.map(|value| value.map(|v| v.wrapping_mul(2))))
        .method("Sum", sum)
        .method("Concat", concat)
}

pub(crate) async fn count(n: i32, delay_ms: i32) -> impl Stream<Item = i32> {
    stream::iter(0..n).then(move |i| async move {
        if i > 0 && delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms.unsigned_abs().into())).await;
        }
        i
    })
}

fn then(n: i32, error: HubError) -> impl Stream<Item = Result<i32, HubError>> {
    stream::iter(0..n).map(Ok).chain(stream::once(async { Err(error) }))
}

async fn sum(mut values: Upload<i32>) -> Result<i32, HubError> {
    let mut total = 0i32;
    while let Some(value) = values.next_item().await {
        total = total.wrapping_add(value?);
    }
    Ok(total)
}

async fn concat(prefix: NullableString, mut parts: Upload<NullableString>) -> Result<String, HubError> {
    let mut text = prefix.unwrap_or_default();
    while let Some(part) = parts.next_item().await {
        text += &part?.unwrap_or_default();
    }
    Ok(text)
}
