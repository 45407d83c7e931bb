// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace tessera::cli {

/// Describes a file or folder of Tessera in reading order, as text or as JSON, and verifies every checksum. Throws
/// Error(kMissingInput), and Error(kBadData) for a damaged or foreign file. It parses files of unknown origin: call it
/// in a sandboxed child.
std::string inspect(const std::filesystem::path& path, bool as_json);

}  // namespace tessera::cli
