// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "attributes/strings.hpp"

#include <algorithm>

namespace tessera::attributes {
namespace {

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t shared = 0;
  while (shared < most && a[shared] == b[shared]) ++shared;
  return shared;
}

/// Where string i of some lies, given the ends of all. Throws Error(kBadData).
detail::ByteSpan piece(const Numbers& ends, std::uint64_t i, detail::ByteSpan bytes) {
  const std::int64_t begin = i == 0 ? 0 : ends[i - 1];
  const std::int64_t end = ends[i];
  if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > bytes.size())
    detail::damaged("its strings are damaged");
  return bytes.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

/// The next string of a bucket, given the one before it.
void next(detail::ByteReader& reader, bool is_first, std::string& string) {
  const std::uint64_t shared = is_first ? 0 : reader.varint(string.size(), "its strings are damaged");
  string.resize(shared);
  string += reader.text(reader.varint());
}

}  // namespace

void FrontCoded::encode(std::uint64_t count, const StringAt& string, detail::Bytes& out) {
  detail::Bytes bytes;
  std::vector<std::int64_t> ends;
  std::string previous;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view current = string(i);
    const bool is_first = i % kBucket == 0;
    if (is_first && i > 0) ends.push_back(static_cast<std::int64_t>(bytes.size()));
    const std::size_t shared = is_first ? 0 : common_prefix(previous, current);
    if (!is_first) detail::put_varint(bytes, shared);
    detail::put_varint(bytes, current.size() - shared);
    detail::put_text(bytes, current.substr(shared));
    previous = current;
  }
  if (count == 0) return;
  ends.push_back(static_cast<std::int64_t>(bytes.size()));
  detail::put_varint(out, bytes.size());
  Numbers::encode(ends, out);
  detail::put_bytes(out, bytes);
}

FrontCoded::FrontCoded(detail::ByteReader& reader, std::uint64_t count) : count_(count) {
  if (count == 0) return;
  const std::uint64_t bytes = reader.varint(reader.rest().size(), "its strings are longer than the column");
  if (count > bytes) detail::damaged("it has fewer bytes than strings");
  ends_ = Numbers(reader, (count + kBucket - 1) / kBucket);
  bytes_ = reader.take(bytes);
}

detail::ByteSpan FrontCoded::bucket(std::uint64_t index) const { return piece(ends_, index, bytes_); }

std::string FrontCoded::operator[](std::uint64_t i) const {
  detail::ByteReader reader(bucket(i / kBucket));
  std::string string;
  for (std::uint64_t k = 0; k <= i % kBucket; ++k) next(reader, k == 0, string);
  return string;
}

std::vector<std::string> FrontCoded::all() const {
  std::vector<std::string> strings;
  strings.reserve(count_);
  for (std::uint64_t first = 0; first < count_; first += kBucket) {
    detail::ByteReader reader(bucket(first / kBucket));
    std::string string;
    for (std::uint64_t i = first; i < std::min(count_, first + kBucket); ++i) {
      next(reader, i == first, string);
      strings.push_back(string);
    }
  }
  return strings;
}

void PlainStrings::encode(std::span<const std::string_view> strings, detail::Bytes& out) {
  if (strings.empty()) return;
  std::vector<std::int64_t> ends;
  std::int64_t end = 0;
  for (const std::string_view string : strings) ends.push_back(end += static_cast<std::int64_t>(string.size()));
  detail::put_varint(out, static_cast<std::uint64_t>(end));
  Numbers::encode(ends, out);
  for (const std::string_view string : strings) detail::put_text(out, string);
}

PlainStrings::PlainStrings(detail::ByteReader& reader, std::uint64_t count) {
  if (count == 0) return;
  const std::uint64_t bytes = reader.varint(reader.rest().size(), "its strings are longer than the column");
  ends_ = Numbers(reader, count);
  bytes_ = reader.take(bytes);
}

std::string_view PlainStrings::operator[](std::uint64_t i) const {
  const detail::ByteSpan bytes = piece(ends_, i, bytes_);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tessera::attributes
