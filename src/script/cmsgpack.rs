//! Placeholder.
use mlua::{Lua, Table};
/// x
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    lua.create_table()
}
