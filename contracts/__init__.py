"""What passes from room to room: number formats, scores, networks, events, the run folder."""
