// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/names.hpp"
#include "predict/pairs.hpp"
#include "predict/predictor.hpp"
#include "predict/shown_attributes.hpp"
#include "tables/table.hpp"

#include <string>
#include <vector>

namespace tessera::predict {

/// Columns of a table of answers, one row each: head, relation, tail, score, rank, known, then the attributes that are
/// shown.
std::vector<tables::Column> answer_columns(const std::vector<std::string>& shown);
void append_rows(tables::TableWriter& table, const Prediction& prediction);

/// Columns of a table of pairs: head, relation, tail, score, rank, known, then the attributes of the head and of the
/// tail, as end_columns() names them.
std::vector<tables::Column> pair_columns(const std::vector<std::string>& shown);
/// Columns of attributes of the head, then of the tail: "head_label", "tail_label".
std::vector<tables::Column> end_columns(const std::vector<std::string>& shown);

/// The split that has a triple as a cell; nothing when none has.
tables::Cell known_cell(KnownIn known);

/// The values of an attribute as one text: "a; b".
std::string joined(const std::vector<std::string>& values);
/// Adds the attributes of an entity to a row; nothing when `shown` is null.
void add_shown(tables::Row& row, const ShownAttributes* shown, std::uint64_t entity);

}  // namespace tessera::predict
