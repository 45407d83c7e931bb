// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tables/table.hpp"

#include <string>
#include <vector>

namespace tessera::tables::detail {

/// The line with the names of the columns, with its end; empty for JSON lines and text.
std::string header(const Layout& layout);
/// A row of TSV, CSV or JSON lines, with its end.
std::string line(const Layout& layout, const Row& row);
/// All rows with their names, columns aligned.
std::string side_by_side(const Layout& layout, const std::vector<Row>& rows);

}  // namespace tessera::tables::detail
