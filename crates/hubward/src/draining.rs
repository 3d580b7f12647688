//! How a node ends, as the program that has it sees it.

use hubward_server::{DrainOptions, DrainReport};

use crate::builder::Hubward;
use crate::{drain_route, health};

impl Hubward {
    /// Drains the node within a grace time, so that a load balancer and clients have gone to others before it ends: it is
    /// not [ready](Self::is_ready) any more and serves on for a while, begins no more connections, closes those that it has
    /// one after the other as soon as their calls have ended, each with leave to reconnect, and leaves the other nodes. Returns
    /// what became of its connections.
    ///
    /// Where a drain has begun already, this waits for its end; each phase then ends when the earlier of the two says. It
    /// goes on where the caller stops waiting, and stops where all clones of this are dropped.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use hubward::{DrainOptions, Hubward};
    ///
    /// # async fn example(hubs: Hubward) {
    /// let options = DrainOptions { delay: Duration::from_secs(10), ..DrainOptions::default() };
    /// let report = hubs.drain(options).await;
    /// println!("{} connections were closed, {} of them with running calls", report.closed, report.cut);
    /// # }
    /// ```
    pub async fn drain(&self, options: DrainOptions) -> DrainReport {
        let report = self.node.drain(options).await;
        self.leave_peers().await;
        report
    }

    /// Waits until a drain has begun, whoever has begun it, such as by [`drain_route`](Self::drain_route): for a program
    /// that ends then as it does on a signal.
    pub async fn drain_begun(&self) {
        self.node.drain_begun().await;
    }

    /// Returns how far the node's drain is, and what it has done so far.
    pub fn drain_report(&self) -> DrainReport {
        self.node.drain_report()
    }

    /// Whether load balancers may send new connections here: the node has joined the others, where it has to, and does not
    /// drain. [`health`](Self::health) answers the same over HTTP.
    pub fn is_ready(&self) -> bool {
        self.node.is_ready()
    }

    /// Returns routes for load balancers and orchestrators, to be merged into the application's: `GET /health/ready` is 200
    /// where the node [is ready](Self::is_ready) and 503 where it is not; `GET /health/live` is 200 for as long as the program
    /// serves.
    pub fn health(&self) -> axum::Router {
        health::routes(&self.node)
    }

    /// Returns the route `POST /drain`, which begins a [drain](Self::drain) and responds at once: 202 with the phase that
    /// it is in, as JSON. Asked again it changes nothing and tells how far it is. It knows no users: mount it where only operators
    /// come, such as on a listener of its own.
    pub fn drain_route(&self, options: DrainOptions) -> axum::Router {
        drain_route::route(&self.node, options)
    }

    /// Shuts down gracefully: sends each client a Close message that allows a reconnect, waits for running calls, then
    /// leaves the other nodes. There is no timeout: put one around it. It is a [drain](Self::drain) without a delay and
    /// without a window, which closes connections whether or not they have running calls.
    pub async fn shut_down(&self) {
        self.node.shut_down().await;
        self.leave_peers().await;
    }

    /// Last, since other nodes may need this one until it has left.
    async fn leave_peers(&self) {
        if let Some(internal) = &self.internal {
            internal.shut_down().await;
        }
    }
}
