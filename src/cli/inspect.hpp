// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace tessera::cli {

/// What a file or folder of Tessera holds, in reading order, every checksum verified: as text or as JSON. Throws Error:
/// kMissingInput, kBadData for a damaged or foreign one. Files of unknown origin are parsed here: call it in a
/// sandboxed child.
std::string inspect(const std::filesystem::path& path, bool as_json);

}  // namespace tessera::cli
