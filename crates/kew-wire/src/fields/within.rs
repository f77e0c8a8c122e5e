//! Places in a request.

/// Where in the request a field stands, for `source.pointer`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within {
    /// At the top.
    Root,
    /// In the object of this name.
    Object(&'static str),
    /// In an item of the list of this name.
    Item(&'static str, usize),
}

impl Within {
    /// The JSON pointer (RFC 6901) to a field here. Names of fields need no escaping.
    pub(crate) fn pointer(self, field: &str) -> String {
        format!("{}/{field}", self.pointer_to_itself())
    }

    /// The same place in the vendor's spelling, with dots: `messages.3.body`.
    pub(crate) fn path(self, field: &str) -> String {
        self.pointer(field)[1..].replace('/', ".")
    }

    /// The JSON pointer to the object itself; empty for the top.
    pub(crate) fn pointer_to_itself(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Object(name) => format!("/{name}"),
            Self::Item(list, index) => format!("/{list}/{index}"),
        }
    }
}
