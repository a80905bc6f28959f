//! What alert rules are told of a customer and its tickets: the looks at them, the values of their signals, when time moves these,
//! and the words. Everything that is the same for every subject is `alert/`.

mod command;
mod crossings;
mod look;
mod values;
mod words;
