/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"

#include "_cgo_export.h"

static GstURIType
uri_type (GType type)
{
  return GST_URI_SRC;
}

static const gchar *const *
uri_protocols (GType type)
{
  static const gchar *const protocols[] = { "xp2p", "xp2p+http", "xp2p+https", NULL };

  return protocols;
}

static gchar *
uri_get (GstURIHandler *handler)
{
  return xp2pSrcGetString (handler, XP2P_PROP_LOCATION);
}

static gboolean
uri_set (GstURIHandler *handler, const gchar *uri, GError **error)
{
  GstState state;
  gchar *problem;

  GST_OBJECT_LOCK (handler);
  state = GST_STATE (handler);
  GST_OBJECT_UNLOCK (handler);
  if (state > GST_STATE_READY) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
        "the URI cannot be changed while the element runs");
    return FALSE;
  }
  problem = xp2pSrcSetURI (handler, (gchar *) uri);
  if (problem) {
    g_set_error_literal (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI, problem);
    g_free (problem);
    return FALSE;
  }
  return TRUE;
}

void
xp2p_src_uri_handler_init (gpointer iface)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = uri_type;
  handler->get_protocols = uri_protocols;
  handler->get_uri = uri_get;
  handler->set_uri = uri_set;
}

GType
xp2p_src_uri_handler_type (void)
{
  return GST_TYPE_URI_HANDLER;
}
