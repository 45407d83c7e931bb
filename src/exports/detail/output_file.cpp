// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exports/detail/output_file.hpp"

#include "storage/atomic.hpp"

#include <bit>
#include <utility>

namespace tessera::exports::detail {

static_assert(std::endian::native == std::endian::little);

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)), out_(path_, std::ios::binary) { check(); }

void OutputFile::write(std::string_view bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  check();
}

void OutputFile::write(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  check();
}

void OutputFile::close() {
  out_.close();
  check();
  storage::sync_path(path_);
}

void OutputFile::check() {
  if (!out_) storage::fail_writing(path_);
}

}  // namespace tessera::exports::detail
