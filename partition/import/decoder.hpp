// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tessera::partition {

/// Where a decoder gets its bytes from.
class RawBytes {
 public:
  virtual ~RawBytes() = default;
  /// Fills some of `out`; 0 at the end.
  virtual std::size_t read_raw(std::span<char> out) = 0;
  /// The next raw bytes in the source's own buffer, valid until the next call; empty at the end.
  virtual std::string_view next_block() = 0;
  [[nodiscard]] virtual const std::string& source_name() const = 0;
};

/// Turns raw bytes into text.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// At least one byte, or 0 at the end. Throws Error(kBadData) for damaged or truncated data.
  virtual std::size_t read(RawBytes& raw, std::span<char> out) = 0;
};

std::unique_ptr<Decoder> make_plain_decoder();
/// Members are joined; zero padding after the last is ignored, as gzip(1) does.
std::unique_ptr<Decoder> make_gzip_decoder();
/// Frames are joined; windows as long as the library reads (`zstd --long=31`), which take as much memory.
std::unique_ptr<Decoder> make_zstd_decoder();

}  // namespace tessera::partition
