// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/options.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::partition {

/// The first lines of a text that are not empty, some dozens, without their line ends.
std::vector<std::string_view> first_lines(std::string_view sample);

/// The separator that cuts most of the lines into `columns`, or into as many columns as most others (two at least) when
/// `columns` is 0.
Separator guess_separator(const std::vector<std::string_view>& lines, std::size_t columns = 3);

/// The format of a file, by its first lines, then by its name; never kAuto or kWordNet.
InputFormat guess_format(const std::string& path, std::string_view sample);
/// What the name of a file says; kText when it says nothing.
InputFormat format_of_name(std::string path);

const char* format_name(InputFormat format);

/// The columns that a header names, by the words that people use for them; kNoColumn where none does.
struct NamedColumns {
  std::size_t head;
  std::size_t relation;
  std::size_t tail;
};
NamedColumns named_columns(const std::vector<std::string>& header);
/// Likewise of entity, attribute, value.
bool names_attributes(const std::vector<std::string>& header);
bool names_an_id(std::string_view word);

/// A line that holds nothing but a whole number.
bool is_count(std::string_view line);

}  // namespace tessera::partition
