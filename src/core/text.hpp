// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::text {

/// 1234567 -> "1,234,567".
std::string with_thousands(std::uint64_t value);

/// "512 B", "1.5 KiB", "3.2 GiB".
std::string bytes(std::uint64_t value);

/// Parses "512MiB", "4 GiB", "1000000"; throws Error(kUsage) that names `what`.
std::uint64_t parse_bytes(std::string_view value, std::string_view what);

/// "0.8 s", "3 min 12 s", "2 h 05 min".
std::string duration(double seconds);

/// Parses "90s", "10min", "1.5h", and "0" without a unit, as seconds; throws Error(kUsage) that names `what`.
double parse_duration(std::string_view value, std::string_view what);

/// Number of single-character edits (insert, delete, replace, swap of neighbours) from a to b.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `name` by edit distance, empty when none is near enough to be a likely typo.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// Position of the first byte that is not part of well-formed UTF-8 (no overlong forms, no surrogates), or npos. ASCII
/// goes 32 bytes at a time.
std::size_t find_invalid_utf8(std::string_view bytes);
inline bool is_utf8(std::string_view bytes) { return find_invalid_utf8(bytes) == std::string_view::npos; }

/// `bytes` with every byte that is not well-formed UTF-8 as \xHH: file names and command lines are bytes, files of
/// Tessera hold UTF-8.
std::string escaped(std::string_view bytes);

/// Characters of a UTF-8 string: its columns on a terminal, about.
std::size_t width(std::string_view text);

/// `text` as a field of a line with tabs between fields: a tab is \t, ends of lines are \n and \r, a backslash is two,
/// as in PostgreSQL's text format.
std::string tsv_field(std::string_view text);

}  // namespace tessera::text
