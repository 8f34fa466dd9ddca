/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/gst.h>

#include "_cgo_export.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return xp2pPluginInit (plugin);
}

/* GStreamer finds this function by the name of the file, libgstxp2p.so. It is
 * what GST_PLUGIN_DEFINE would make, but for the version, which is Go's. */
const GstPluginDesc *
gst_plugin_xp2p_get_desc (void)
{
  static GstPluginDesc desc = {
    GST_VERSION_MAJOR, GST_VERSION_MINOR,
    "xp2p", "Cameras behind any NAT, peer to peer",
    plugin_init, NULL, "LGPL", "xp2p", "xp2p",
    "https://github.com/xp2p/xp2p", NULL, GST_PADDING_INIT
  };

  if (desc.version == NULL)
    desc.version = xp2pPluginVersion ();
  return &desc;
}
